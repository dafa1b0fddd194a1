#include "builder/app/app_directory.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dash::builder {

namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};

constexpr const char* kReadHint = "give the user who builds permission to read it, or take it out of the app";

Error with_read_hint(Error error) {
  if (error.code() == ErrorCode::denied) error.with_hint(kReadHint);
  return error;
}

// The descriptor as a stream of directory entries; the caller's descriptor stays open.
std::unique_ptr<DIR, CloseDirectory> open_stream(const UniqueFd& fd, const std::string& shown) {
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
  std::unique_ptr<DIR, CloseDirectory> stream(copy < 0 ? nullptr : ::fdopendir(copy));
  if (!stream) throw system_error(concat("cannot list ", shown), errno);
  return stream;
}

}  // namespace

AppDirectory::AppDirectory(const fs::path& path) : path_(path) {
  root_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root_) return;
  if (errno == ENOENT)
    throw Error(ErrorCode::not_found, concat("there is no directory ", path.string()))
        .with_hint("give the directory that holds the app's source");
  if (errno == ENOTDIR)
    throw Error(ErrorCode::invalid_input, concat(path.string(), " is not a directory"))
        .with_hint("give the directory that holds the app's source");
  throw with_read_hint(system_error(concat("cannot open ", path.string()), errno));
}

UniqueFd AppDirectory::try_open(const std::string& name, int flags) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root_.get(), name.c_str(), &how, sizeof how)));
    // EAGAIN: a rename raced with the look-up of a "..".
    if (fd || (errno != EINTR && errno != EAGAIN)) return fd;
  }
}

std::optional<UniqueFd> AppDirectory::open(const std::string& name, int flags) const {
  if (auto fd = try_open(name, flags)) return fd;
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return std::nullopt;
    case EXDEV:
      throw Error(ErrorCode::invalid_input, concat(quoted(name), " leads out of the app directory"))
          .with_hint("copy what it points at into the app: an image can only be made of the app's own files");
    case ELOOP:
      throw Error(ErrorCode::invalid_input,
                  concat(quoted(name), " is a symbolic link that can't be followed"))
          .with_hint("remove the link or make it point at a file of the app");
    default:
      throw with_read_hint(system_error(concat("cannot open ", (path_ / name).string()), errno));
  }
}

bool AppDirectory::leads_out(const std::string& name) const {
  return !try_open(name, O_PATH) && errno == EXDEV;
}

FileKind AppDirectory::kind(const std::string& name) const {
  const auto fd = open(name, O_PATH);
  if (!fd) return FileKind::missing;
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    throw system_error(concat("cannot read ", (path_ / name).string()), errno);
  if (S_ISREG(info.st_mode)) return FileKind::file;
  return S_ISDIR(info.st_mode) ? FileKind::directory : FileKind::other;
}

std::optional<std::string> AppDirectory::read(const std::string& name, std::uint64_t limit) const {
  // O_NONBLOCK: opening a fifo must not wait for a writer.
  const auto fd = open(name, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::nullopt;
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    throw system_error(concat("cannot read ", (path_ / name).string()), errno);
  if (!S_ISREG(info.st_mode))
    throw Error(ErrorCode::invalid_input,
                concat(name, " is ", S_ISDIR(info.st_mode) ? "a directory" : "not a regular file",
                       ", but a file of that name is expected"))
        .with_hint(concat("rename or remove ", name));
  FdSource source(fd->get(), (path_ / name).string());
  std::string content;
  std::vector<std::byte> buffer(std::size_t{64} * 1024);
  while (const auto count = source.read(buffer)) {
    content.append(as_text(Bytes(buffer).first(count)));
    if (content.size() > limit)
      throw Error(ErrorCode::invalid_input, concat(name, " is larger than ", human_size(limit)))
          .with_hint("a file of that name is expected to be a short text");
  }
  return content;
}

std::vector<std::string> AppDirectory::names(const std::string& directory) const {
  const std::string shown = (path_ / directory).string();
  const auto fd = open(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) throw Error(ErrorCode::not_found, concat("there is no directory ", shown));
  const auto stream = open_stream(*fd, shown);
  std::vector<std::string> out;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw system_error(concat("cannot list ", shown), errno);
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Sha256 AppDirectory::digest(const std::string& name) const {
  const std::string shown = (path_ / name).string();
  const auto fd = open(name, O_RDONLY | O_NONBLOCK);
  if (!fd) throw Error(ErrorCode::not_found, concat("there is no file ", shown));
  FdSource source(fd->get(), shown);
  return sha256(source);
}

std::optional<std::string> normal_path(std::string_view path) {
  if (path.starts_with('/')) return std::nullopt;
  std::vector<std::string> parts;
  for (const auto part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..")
      parts.emplace_back(part);
    else if (parts.empty())
      return std::nullopt;
    else
      parts.pop_back();
  }
  return parts.empty() ? "." : join(parts, "/");
}

}  // namespace dash::builder
