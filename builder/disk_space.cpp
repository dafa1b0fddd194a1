#include "builder/disk_space.hpp"

#include "base/text.hpp"

#include <cerrno>
#include <limits>
#include <utility>

#include <sys/statvfs.h>

namespace dash::builder {

DiskSpace free_space(const fs::path& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0)
    throw system_error(concat("cannot look at the file system of ", path.string()), errno);
  const bool counted = info.f_files != 0;  // btrfs says 0
  return {static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize,
          counted ? info.f_favail : std::numeric_limits<std::uint64_t>::max()};
}

void require_space(const fs::path& directory, const DiskSpace& needed, std::string_view purpose) {
  const auto left = free_space(directory);
  if (left.bytes < needed.bytes)
    throw no_space(concat(directory.string(), " has ", human_size(left.bytes), " left, but ", purpose,
                          " needs about ", human_size(needed.bytes)));
  if (left.inodes < needed.inodes)
    throw no_space(concat(directory.string(), " has ", left.inodes, " inodes left, but ", purpose,
                          " needs about ", needed.inodes));
}

Error no_space(std::string message) {
  return Error(ErrorCode::no_space, std::move(message)).with_hint(system_error("", ENOSPC).hint());
}

bool is_full(const fs::path& directory) {
  constexpr DiskSpace kNothing = {std::uint64_t{64} << 10, 4};
  const auto left = free_space(directory);
  return left.bytes < kNothing.bytes || left.inodes < kNothing.inodes;
}

}  // namespace dash::builder
