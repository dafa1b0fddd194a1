// Locks that a command line names, and the images that carry them.
#pragma once

#include "builder/build.hpp"
#include "builder/image_records.hpp"
#include "cli/options.hpp"

#include <string>

namespace dash::cli {

// Has the build use the lock at `place`, a file or an image (as `lock` names it); empty: nothing to do.
void use_lock(builder::BuildRequest& request, const std::string& place, const CommonOptions& common,
              const RegistryOptions& registry);

// The lock that an image carries. Error(not_found) when it has none.
std::string lock_of(const std::string& image, LockKind kind, const CommonOptions& common,
                    const RegistryOptions& options);

// What an image in the store, or "docker://…", says of its build.
builder::ImageRecords records_of(const std::string& image, const CommonOptions& common,
                                 const RegistryOptions& options);

}  // namespace dash::cli
