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
    const UniqueFd fd =
        open_file(target, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, (entry.mode & 0111U) != 0 ? 0755 : 0644);
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

// Paths below a directory, sorted, without going through links. Without repositories: they are no part of the
// app's source (SourceTree), so no build may depend on them.
std::vector<std::string> list_tree(const fs::path& root) {
  std::vector<std::string> out;
  for (fs::recursive_directory_iterator it(root), end; it != end; ++it) {
    if (it->path().filename() == ".git") {
      it.disable_recursion_pending();
      continue;
    }
    out.push_back(it->path().lexically_relative(root).string());
  }
  std::ranges::sort(out);
  return out;
}

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

void copy_tree(const fs::path& source, const fs::path& target, std::stop_token stop) {
  make_directories(target);
  for (const std::string& path : list_tree(source)) {
    check_stop(stop);
    const fs::path from = source / path;
    const fs::path to = target / path;
    const fs::file_status status = fs::symlink_status(from);
    if (status.type() == fs::directory_file) {
      make_directories(to);
    } else if (status.type() == fs::symlink_file) {
      fs::copy_symlink(from, to);
    } else if (status.type() == fs::regular_file) {
      FileSource content(from);
      const UniqueFd fd =
          open_file(to, O_WRONLY | O_CREAT | O_EXCL, static_cast<mode_t>(status.permissions()) | 0600U);
      FdSink sink(fd.get(), to.string());
      copy(content, sink);
    }
  }
}

}  // namespace dash::builder
