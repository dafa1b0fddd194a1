// Who works with an image layout, and since when: what they use must stay.
#pragma once

#include "base/file.hpp"

#include <compare>
#include <cstdint>
#include <optional>

namespace dash::oci {

// Times that files have, in nanoseconds: of one clock, so they can be compared.
using FileTime = std::int64_t;

// The file's time of modification, which is when it was used last (see mark_used).
std::optional<FileTime> time_of(const fs::path& file);
// Says that a file or directory is used now. False when it is not there.
bool mark_used(const fs::path& path);

// Held by whoever adds to a layout or uses what no name in it refers to. While anyone has one, garbage
// collection does nothing, and eviction leaves what was used since the oldest of them began. It ends with the
// object, and by the kernel with the process.
class Lease {
 public:
  ~Lease();
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;

  // Since when the oldest lease of a living process is held; nothing when there is none. What killed ones
  // left is removed. To be called under lock_for_eviction: a lease that is just being made could be taken for
  // a dead one.
  static std::optional<FileTime> oldest(const fs::path& layout);

  // `layout` is the directory of one.
  explicit Lease(const fs::path& layout);

 private:
  FileLock shared_;
  fs::path path_;
  UniqueFd file_;
};

// Looking for something in a directory and saying that it is used must be one step for those who remove what
// nobody uses: users take this lock shared for that moment, those who remove exclusively.
FileLock lock_out_eviction(const fs::path& directory);
FileLock lock_for_eviction(const fs::path& directory);

}  // namespace dash::oci
