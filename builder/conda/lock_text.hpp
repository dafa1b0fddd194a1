// Locks as JSON, with the records of their packages: how steps hand them on (docs/formats/records.md).
#pragma once

#include "builder/conda/explicit_lock.hpp"

#include <string>

namespace dash::builder {

std::string lock_to_json(const ExplicitLock& lock);
// Error(corrupt) for what `lock_to_json` did not write.
ExplicitLock lock_from_json(const std::string& text);

}  // namespace dash::builder
