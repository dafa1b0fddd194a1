// conda-meta/history: what conda reads to know what was asked for, and shows as revisions.
#pragma once

#include "builder/conda/explicit_lock.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// What happened to an environment at once.
struct CondaRevision {
  std::int64_t time = 0;           // seconds since the epoch
  std::string command;             // for people
  std::string conda_version;       // or empty
  std::vector<std::string> specs;  // what was asked for, as conda keeps it for later solves
  std::vector<CondaPackageUrl> linked;
  std::vector<CondaPackageUrl> unlinked;
};

// The revisions' text, oldest first; of a revision packages are sorted.
std::string conda_history(const std::vector<CondaRevision>& revisions);

}  // namespace dash::builder
