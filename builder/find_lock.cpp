#include "builder/find_lock.hpp"

#include "builder/step_record.hpp"
#include "builder/steps/steps.hpp"

namespace dash::builder {

namespace {

std::optional<std::string> lock_of(const StepRecord& record) {
  const auto lock = record.facts.find(kLockFact);
  return lock == record.facts.end() ? std::nullopt : std::optional(lock->second);
}

std::optional<std::string> lock_of(const ImageRecords& image, std::string_view name) {
  for (const auto& step : image.steps)
    if (step.record.step == name) return lock_of(step.record);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_lock(Store& store, const oci::Reference& name) {
  const auto record = StepRecords(store).last(name.to_string(), kPythonPackagesStep);
  return record ? lock_of(*record) : std::nullopt;
}

std::optional<std::string> find_lock(const ImageRecords& image) {
  return lock_of(image, kPythonPackagesStep);
}

std::optional<std::string> find_conda_lock(const ImageRecords& image) {
  return lock_of(image, kCondaPackagesStep);
}

}  // namespace dash::builder
