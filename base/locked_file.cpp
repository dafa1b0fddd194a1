#include "base/locked_file.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace dash {

namespace {

bool is_named(int fd, const fs::path& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

UniqueFd open_and_lock(const fs::path& path, int operation) {
  for (;;) {
    auto fd = open_file(path, O_RDWR | O_CREAT, 0644);
    while (::flock(fd.get(), operation) != 0) {
      if (errno == EWOULDBLOCK) return {};
      if (errno != EINTR) throw system_error(concat("cannot lock ", path.string()), errno);
    }
    if (is_named(fd.get(), path)) return fd;
  }
}

int operation_of(FileLock::Kind kind) {
  return kind == FileLock::Kind::shared ? LOCK_SH : LOCK_EX;
}

}  // namespace

UniqueFd open_locked(const fs::path& path, FileLock::Kind kind) {
  return open_and_lock(path, operation_of(kind));
}

UniqueFd try_open_locked(const fs::path& path, FileLock::Kind kind) {
  return open_and_lock(path, operation_of(kind) | LOCK_NB);
}

}  // namespace dash
