// The locks (pylock.toml) of earlier builds.
#pragma once

#include "builder/image_records.hpp"
#include "builder/store.hpp"
#include "oci/reference.hpp"

#include <optional>
#include <string>

namespace dash::builder {

// Of the last build under the name, whether or not it came to its end. Nothing when there was none, or its
// record is lost.
std::optional<std::string> find_lock(Store& store, const oci::Reference& name);

// What an image says of itself; nothing when it was not built by this program or has no Python packages.
std::optional<std::string> find_lock(const ImageRecords& image);
// The same for conda packages: an "@EXPLICIT" file.
std::optional<std::string> find_conda_lock(const ImageRecords& image);

}  // namespace dash::builder
