#include "builder/python/source_copies.hpp"

#include "base/archive.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::builder {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 30;
constexpr std::uint64_t kMaxEntries = 1'000'000;

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::canceled, "stopped while handling sources");
}

// Wheels keep the modes of some files of their sources: they must not depend on the umask.
UniqueFd create(const fs::path& path, int flags, bool executable) {
  const mode_t mode = executable ? 0755 : 0644;
  UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | flags, mode);
  if (::fchmod(fd.get(), mode) != 0) throw system_error(concat("cannot chmod ", path.string()), errno);
  return fd;
}

class Unpacker {
 public:
  Unpacker(const fs::path& archive, const fs::path& directory)
      : name_(archive.filename().string()), directory_(directory) {}

  void add(const ArchiveEntry& entry, Source& content) {
    if (++entries_ > kMaxEntries) fail("it has too many entries");
    const std::optional<std::string> path = inner_path(entry.path);
    if (!path) return;
    const fs::path target = directory_ / *path;
    switch (entry.type) {
      case EntryType::directory:
        make_directories(target);
        return;
      case EntryType::file:
        write(entry, content, target);
        return;
      case EntryType::symlink:
        links_[*path] = entry.link_target;
        return;
      case EntryType::hardlink:
        link(entry, target);
        return;
      default:
        fail(concat("it has a device or pipe: ", quoted(entry.path)));
    }
  }

  // Last, so that nothing was ever written through a link.
  void make_links() {
    for (const auto& [path, target] : links_) {
      const fs::path link = directory_ / path;
      make_directories(link.parent_path());
      if (::symlink(target.c_str(), link.c_str()) != 0 && errno != EEXIST)
        throw system_error(concat("cannot make the link ", link.string()), errno);
    }
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(ErrorCode::corrupt, concat(name_, " is not a usable source distribution: ", why))
        .with_hint("Pin another version of the package in the requirements.");
  }

  // Without the top directory; nothing for the top directory itself.
  std::optional<std::string> inner_path(std::string_view path) const {
    std::vector<std::string> parts;
    if (path.starts_with('/')) fail(concat("it has an unsafe name: ", quoted(path)));
    for (std::string_view part : split(path, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") fail(concat("it has an unsafe name: ", quoted(path)));
      parts.emplace_back(part);
    }
    if (parts.size() < 2) return std::nullopt;
    parts.erase(parts.begin());
    return join(parts, "/");
  }

  void write(const ArchiveEntry& entry, Source& content, const fs::path& target) {
    make_directories(target.parent_path());
    const UniqueFd fd = create(target, O_TRUNC | O_NOFOLLOW, (entry.mode & 0111U) != 0);
    FdSink sink(fd.get(), target.string());
    LimitedSource limited(content, kMaxBytes - bytes_, name_);
    bytes_ += copy(limited, sink);
    // Some builds generate files anew when their sources look newer.
    const timespec times[2] = {{entry.mtime, 0}, {entry.mtime, 0}};
    ::futimens(fd.get(), times);
  }

  void link(const ArchiveEntry& entry, const fs::path& target) const {
    const std::optional<std::string> source = inner_path(entry.link_target);
    make_directories(target.parent_path());
    if (!source || ::linkat(AT_FDCWD, (directory_ / *source).c_str(), AT_FDCWD, target.c_str(), 0) != 0)
      fail(concat("it has a broken link: ", quoted(entry.path)));
  }

  std::string name_;
  fs::path directory_;
  std::map<std::string, std::string> links_;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

void unpack_source(const fs::path& archive, const fs::path& directory, std::stop_token stop) {
  make_directories(directory);
  FileSource source(archive);
  const std::string name = archive.filename().string();
  ArchiveReader reader(
      source, name.ends_with(".zip") ? ArchiveReader::Format::zip : ArchiveReader::Format::tar, name);
  Unpacker unpacker(archive, directory);
  while (const std::optional<ArchiveEntry> entry = reader.next()) {
    check_stop(stop);
    unpacker.add(*entry, reader.content());
  }
  unpacker.make_links();
}

void copy_tree(const fs::path& source, const SourceTree& tree, const fs::path& target, std::stop_token stop) {
  make_directories(target);
  for (const SourceEntry& entry : tree.entries()) {
    check_stop(stop);
    const fs::path to = target / entry.path;
    if (entry.type == EntryType::directory) {
      make_directories(to);
    } else if (entry.type == EntryType::symlink) {
      fs::create_symlink(entry.link_target, to);
    } else {
      const UniqueFd from = open_file(source / entry.path, O_RDONLY | O_NOFOLLOW);
      FdSource content(from.get(), (source / entry.path).string());
      const UniqueFd fd = create(to, O_EXCL, entry.executable);
      FdSink sink(fd.get(), to.string());
      copy(content, sink);
    }
  }
}

}  // namespace dash::builder
