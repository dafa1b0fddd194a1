#include "builder/find_lock.hpp"

#include "builder/step_record.hpp"
#include "builder/steps/steps.hpp"

namespace dash::builder {

std::optional<KeptLock> find_lock(Store& store, const oci::Reference& name) {
  const auto record = StepRecords(store).last(name.to_string(), kPythonPackagesStep);
  if (!record) return std::nullopt;
  const auto lock = record->facts.find(kLockFact);
  if (lock == record->facts.end()) return std::nullopt;
  return KeptLock{lock->second, record->layers};
}

}  // namespace dash::builder
