// Files and descriptors: owners, whole-file reads and atomic writes, locks, trees.
#pragma once

#include "base/path.hpp"
#include "base/stream.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace dash {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() { *this = UniqueFd(); }
  // Gives up ownership: the descriptor stays open.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC; throws an Error that names the path.
UniqueFd open_file(const fs::path& path, int flags, mode_t mode = 0600);
// openat(2) with O_CLOEXEC; `shown` is the path for messages.
UniqueFd open_at(int directory, const std::string& name, int flags, mode_t mode, std::string_view shown);

// A file that owns its descriptor and can be read again from the start.
class FileSource : public RestartableSource {
 public:
  explicit FileSource(const fs::path& path);
  std::size_t read(MutableBytes buffer) override;
  std::uint64_t skip(std::uint64_t count) override;
  void restart() override;

 private:
  fs::path path_;
  UniqueFd fd_;
};

// The whole file; larger than `limit` bytes is an Error(invalid_input).
std::string read_file(const fs::path& path, std::uint64_t limit = std::uint64_t{64} << 20);
// The same, and nothing when the file does not exist.
std::optional<std::string> read_file_if_exists(const fs::path& path,
                                               std::uint64_t limit = std::uint64_t{64} << 20);

// Replaces `path` by `content`: temporary file beside it, fsync, rename, fsync of the directory. A reader
// (and a crash) sees the old or the new content, never a part.
void write_file_atomic(const fs::path& path, std::string_view content, mode_t mode = 0644);

// Writes a file that need not survive a crash, with exactly this mode.
void write_file(const fs::path& path, std::string_view content, mode_t mode = 0644);

// fsync of a directory, so that a rename in it survives a power failure.
void sync_directory(const fs::path& directory);

// mkdir -p; throws with the path that could not be made.
void make_directories(const fs::path& directory, mode_t mode = 0755);

// Names in an open directory, unsorted, without "." and ".."; `shown` is its path for messages.
std::vector<std::string> list_directory(int directory, std::string_view shown);

// Removes a tree without following symbolic links; absent is fine. Directories without permissions are
// made writable first where the caller owns them.
void remove_tree(const fs::path& path);
// The same for `name` in the open directory `parent`; `shown` is the path for messages.
void remove_tree_at(int parent, const std::string& name, const std::string& shown);

// A file that is written beside its destination and appears there only on `commit`.
class TempFile : public Sink {
 public:
  // Makes an empty file with an unpredictable name in `directory` (which must exist).
  explicit TempFile(const fs::path& directory);
  ~TempFile() override;
  TempFile(TempFile&&) noexcept = default;
  TempFile& operator=(TempFile&&) = delete;

  void write(Bytes bytes) override;
  int fd() const { return fd_.get(); }
  const fs::path& path() const { return path_; }
  // fsync, then rename to `destination` (same file system), replacing what is there.
  void commit(const fs::path& destination, mode_t mode = 0644);

 private:
  fs::path path_;
  UniqueFd fd_;
};

// A directory with an unpredictable name below `parent`, removed with its content on destruction.
class TempDirectory {
 public:
  explicit TempDirectory(const fs::path& parent);
  ~TempDirectory();
  TempDirectory(TempDirectory&& other) noexcept : path_(std::exchange(other.path_, fs::path())) {}
  TempDirectory& operator=(TempDirectory&&) = delete;

  const fs::path& path() const { return path_; }
  // Gives up ownership: the directory stays.
  fs::path release() { return std::exchange(path_, fs::path()); }

 private:
  fs::path path_;
};

// An advisory lock (flock) on a file that is made when absent; who holds it may remove or rename the file
// (locked_file.hpp). Released on destruction and by the kernel when the process dies.
class FileLock {
 public:
  enum class Kind { shared, exclusive };
  // Waits for the lock.
  static FileLock acquire(const fs::path& path, Kind kind);
  // Nothing when somebody else holds it in a way that excludes us.
  static std::optional<FileLock> try_acquire(const fs::path& path, Kind kind);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace dash
