// The lock of an earlier build.
#pragma once

#include "builder/store.hpp"
#include "oci/descriptor.hpp"
#include "oci/reference.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

struct KeptLock {
  std::string text;                // pylock.toml
  std::vector<oci::Layer> layers;  // what was made of it, lowest first
};

// Of the last build under the name, whether or not it came to its end. Nothing when there was none, or its
// record is lost.
std::optional<KeptLock> find_lock(Store& store, const oci::Reference& name);

}  // namespace dash::builder
