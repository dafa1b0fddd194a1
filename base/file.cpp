#include "base/file.hpp"

#include "base/error.hpp"
#include "base/locked_file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

UniqueFd open_file(const fs::path& path, int flags, mode_t mode) {
  return open_at(AT_FDCWD, path.string(), flags, mode, path.string());
}

UniqueFd open_at(int directory, const std::string& name, int flags, mode_t mode, std::string_view shown) {
  for (;;) {
    UniqueFd fd(::openat(directory, name.c_str(), flags | O_CLOEXEC, mode));
    if (fd) return fd;
    if (errno != EINTR) throw system_error(concat("cannot open ", shown), errno);
  }
}

FileSource::FileSource(const fs::path& path) : path_(path), fd_(open_file(path, O_RDONLY)) {}

std::size_t FileSource::read(MutableBytes buffer) {
  return FdSource(fd_.get(), path_.string()).read(buffer);
}

std::uint64_t FileSource::skip(std::uint64_t count) {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  const auto at = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (at < 0 || at >= info.st_size) return 0;
  const auto step = std::min(count, static_cast<std::uint64_t>(info.st_size - at));
  return ::lseek(fd_.get(), static_cast<off_t>(step), SEEK_CUR) < 0 ? 0 : step;
}

void FileSource::restart() {
  if (::lseek(fd_.get(), 0, SEEK_SET) < 0)
    throw system_error(concat("cannot rewind ", path_.string()), errno);
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  FileSource source(path);
  std::string content;
  std::vector<std::byte> buffer(std::size_t{64} * 1024);
  while (const auto count = source.read(buffer)) {
    content.append(as_text(Bytes(buffer).first(count)));
    if (content.size() > limit)
      throw Error(ErrorCode::invalid_input, concat(path.string(), " is larger than ", human_size(limit)));
  }
  return content;
}

std::optional<std::string> read_file_if_exists(const fs::path& path, std::uint64_t limit) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(concat("cannot read ", path.string()), errno);
  }
  return read_file(path, limit);
}

void write_file_atomic(const fs::path& path, std::string_view content, mode_t mode) {
  TempFile file(path.has_parent_path() ? path.parent_path() : fs::path("."));
  file.write(as_bytes(content));
  file.commit(path, mode);
  sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void write_file(const fs::path& path, std::string_view content, mode_t mode) {
  const auto fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  FdSink(fd.get(), path.string()).write(as_bytes(content));
  if (::fchmod(fd.get(), mode) != 0)
    throw system_error(concat("cannot set the mode of ", path.string()), errno);
}

void sync_directory(const fs::path& directory) {
  const auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0 && errno != EINVAL)
    throw system_error(concat("cannot sync ", directory.string()), errno);
}

void make_directories(const fs::path& directory, mode_t mode) {
  if (directory.empty() || ::mkdir(directory.c_str(), mode) == 0) return;
  if (errno == ENOENT) {
    make_directories(directory.parent_path(), mode);
    if (::mkdir(directory.c_str(), mode) == 0 || errno == EEXIST) return;
  }
  struct stat info {};
  if (errno == EEXIST && ::stat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return;
  throw system_error(concat("cannot make the directory ", directory.string()), errno);
}

std::vector<std::string> list_directory(int directory, std::string_view shown) {
  // Opened anew, so that the position of the caller's descriptor does not matter.
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : ::fdopendir(copy);
  if (stream == nullptr) throw system_error(concat("cannot list ", shown), errno);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  return names;
}

namespace {

// Takes one tree apart with few descriptors and little stack, however deep it is: directories below a certain
// depth are first moved up to the top.
class TreeRemover {
 public:
  void remove(int parent, const std::string& name, const std::string& shown) {
    if (unlink_file(parent, name, shown)) return;
    top_ = open_directory(parent, name, shown);
    // Directories that were moved up appear in the next listing.
    for (auto names = list_directory(top_.get(), shown); !names.empty();
         names = list_directory(top_.get(), shown))
      remove_all(top_.get(), names, shown, 1);
    remove_empty(parent, name, shown);
  }

 private:
  static constexpr int kMaxDepth = 64;

  // False when it is a directory.
  static bool unlink_file(int parent, const std::string& name, const std::string& shown) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) throw system_error(concat("cannot remove ", shown), errno);
    return false;
  }

  static void remove_empty(int parent, const std::string& name, const std::string& shown) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      throw system_error(concat("cannot remove ", shown), errno);
  }

  // Opens a directory whose entries can be removed: one without permissions gets them first.
  static UniqueFd open_directory(int parent, const std::string& name, const std::string& shown) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(parent, name.c_str(), flags));
    if (!fd && errno == EACCES && ::fchmodat(parent, name.c_str(), 0700, 0) == 0)
      fd = UniqueFd(::openat(parent, name.c_str(), flags));
    if (!fd) throw system_error(concat("cannot remove ", shown), errno);
    if (::faccessat(parent, name.c_str(), W_OK | X_OK, AT_EACCESS) != 0) ::fchmod(fd.get(), 0700);
    return fd;
  }

  void remove_all(int directory, const std::vector<std::string>& names, const std::string& shown, int depth) {
    for (const auto& name : names) {
      const auto child = concat(shown, '/', name);
      if (unlink_file(directory, name, child)) continue;
      const auto fd = open_directory(directory, name, child);
      if (depth == kMaxDepth) {
        move_up(directory, name, child);
      } else {
        remove_all(fd.get(), list_directory(fd.get(), child), child, depth + 1);
        remove_empty(directory, name, child);
      }
    }
  }

  void move_up(int directory, const std::string& name, const std::string& shown) {
    for (;;) {
      const auto moved = concat(".deep-", moved_++);
      if (::renameat(directory, name.c_str(), top_.get(), moved.c_str()) == 0) return;
      if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
        throw system_error(concat("cannot remove ", shown), errno);
    }
  }

  UniqueFd top_;
  std::uint64_t moved_ = 0;
};

}  // namespace

void remove_tree(const fs::path& path) {
  remove_tree_at(AT_FDCWD, path.string(), path.string());
}

void remove_tree_at(int parent, const std::string& name, const std::string& shown) {
  TreeRemover().remove(parent, name, shown);
}

TempFile::TempFile(const fs::path& directory) {
  std::string name = (directory / ".tmp-XXXXXX").string();
  fd_ = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd_) throw system_error(concat("cannot make a temporary file in ", directory.string()), errno);
  path_ = name;
}

TempFile::~TempFile() {
  if (fd_) ::unlink(path_.c_str());
}

void TempFile::write(Bytes bytes) {
  FdSink(fd_.get(), path_.string()).write(bytes);
}

void TempFile::commit(const fs::path& destination, mode_t mode) {
  if (::fchmod(fd_.get(), mode) != 0 || ::fsync(fd_.get()) != 0)
    throw system_error(concat("cannot write ", destination.string()), errno);
  if (::rename(path_.c_str(), destination.c_str()) != 0)
    throw system_error(concat("cannot write ", destination.string()), errno);
  fd_.reset();
}

TempDirectory::TempDirectory(const fs::path& parent) {
  std::string name = (parent / "tmp-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw system_error(concat("cannot make a temporary directory in ", parent.string()), errno);
  path_ = name;
}

TempDirectory::~TempDirectory() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {  // what is left in a temporary place is removed by the next gc
  }
}

FileLock FileLock::acquire(const fs::path& path, Kind kind) {
  return FileLock(open_locked(path, kind));
}

std::optional<FileLock> FileLock::try_acquire(const fs::path& path, Kind kind) {
  auto fd = try_open_locked(path, kind);
  if (!fd) return std::nullopt;
  return FileLock(std::move(fd));
}

}  // namespace dash
