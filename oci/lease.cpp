#include "oci/lease.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/filesystem/directory.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::oci {
namespace {

constexpr std::string_view kPrefix = ".lease-";

fs::path eviction_lock(const fs::path& directory) {
  return directory / ".evict.lock";
}

}  // namespace

std::optional<FileTime> time_of(const fs::path& file) {
  constexpr FileTime kSecond = 1'000'000'000;
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0) return std::nullopt;
  return info.st_mtim.tv_sec * kSecond + info.st_mtim.tv_nsec;
}

bool mark_used(const fs::path& path) {
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0) return true;
  // A store that somebody else owns can be read all the same.
  return errno != ENOENT && errno != ENOTDIR;
}

FileLock lock_out_eviction(const fs::path& directory) {
  return FileLock::acquire(eviction_lock(directory), FileLock::Kind::shared);
}

FileLock lock_for_eviction(const fs::path& directory) {
  return FileLock::acquire(eviction_lock(directory), FileLock::Kind::exclusive);
}

Lease::Lease(const fs::path& layout)
    : shared_(FileLock::acquire(layout / ".gc.lock", FileLock::Kind::shared)) {
  const auto held = lock_out_eviction(layout);
  std::string name = (layout / concat(kPrefix, "XXXXXX")).string();
  file_ = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_) throw system_error(concat("cannot make a file in ", layout.string()), errno);
  path_ = name;
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0)
    throw system_error(concat("cannot lock ", path_.string()), errno);
}

Lease::Lease(Lease&& other) noexcept
    : shared_(std::move(other.shared_)),
      path_(std::exchange(other.path_, fs::path())),
      file_(std::move(other.file_)) {}

Lease::~Lease() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::optional<FileTime> Lease::oldest(const fs::path& layout) {
  std::optional<FileTime> out;
  for (const auto& file : fs::directory_iterator(layout)) {
    if (!file.path().filename().string().starts_with(kPrefix)) continue;
    const auto since = time_of(file.path());
    if (!since) continue;  // it has just ended
    if (FileLock::try_acquire(file.path(), FileLock::Kind::exclusive))
      ::unlink(file.path().c_str());
    else
      out = std::min(out.value_or(*since), *since);
  }
  return out;
}

}  // namespace dash::oci
