// Looking ahead: is there room for what comes next?
#pragma once

#include "base/error.hpp"
#include "base/path.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace dash::builder {

struct DiskSpace {
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;  // as many as there can be where a file system does not count them
};

// What is left for this process on the file system of `path`, which must exist.
DiskSpace free_space(const fs::path& path);

// Throws Error(no_space) with both figures when less than `needed` is left on the file system of `directory`.
// `purpose` completes "…, but PURPOSE needs about".
void require_space(const fs::path& directory, const DiskSpace& needed, std::string_view purpose);

// Error(no_space) with the hint that all of them have.
Error no_space(std::string message);

// Whether nothing more can be written there: what a command's failure is then due to.
bool is_full(const fs::path& directory);

}  // namespace dash::builder
