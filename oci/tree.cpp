#include "oci/tree.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace dash::oci {

namespace {

using Stat = struct stat;

// How much of a large file is asked for at once; the writer gives what it has room for.
constexpr std::size_t kReadBlock = std::size_t{1} << 20;

struct Child {
  std::string name;     // in the directory
  std::string emitted;  // in the layer; a whiteout has another name there
  EntryType type = EntryType::file;
  bool is_whiteout() const { return emitted.size() != name.size(); }
};

// Extended attributes of one file, as they go into the layer, and what overlayfs noted in them.
struct Attributes {
  std::map<std::string, std::string> kept;
  bool opaque = false;
};

std::optional<EntryType> entry_type(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EntryType::file;
    case S_IFDIR:
      return EntryType::directory;
    case S_IFLNK:
      return EntryType::symlink;
    case S_IFCHR:
      return EntryType::char_device;
    case S_IFBLK:
      return EntryType::block_device;
    case S_IFIFO:
      return EntryType::fifo;
    default:
      return std::nullopt;  // sockets: meaningless without the process behind them
  }
}

std::string join_path(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : concat(directory, '/', name);
}

// The prefix without '/' around it.
std::string clean_prefix(std::string_view prefix) {
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.empty()) return {};
  for (const auto part : split(prefix, '/'))
    if (part.empty() || part == "." || part == "..")
      throw Error(ErrorCode::invalid_input,
                  concat("the path in the image ", quoted(prefix), " has a part ", quoted(part)))
          .with_hint("give it without empty parts, '.' and '..'");
  return std::string(prefix);
}

class Walk {
 public:
  Walk(LayerWriter& writer, const fs::path& root, const TreeOptions& options, std::stop_token stop)
      : writer_(writer),
        root_(root.string()),
        options_(options),
        stop_(std::move(stop)),
        prefix_(clean_prefix(options.prefix)) {}

  TreeStats run() {
    const auto fd = open_file(root_, O_RDONLY | O_DIRECTORY);
    if (prefix_.empty()) {
      if (read_attributes(fd.get(), "").opaque) add_opaque_marker("");
    } else {
      writer_.add_parents(prefix_);
      add_directory_entry(fd.get(), "");
    }
    add_children(fd.get(), "");
    return stats_;
  }

 private:
  // Paths below are relative to the root of the tree; messages show them below the root, the layer has them
  // below the prefix.
  std::string shown(std::string_view path) const { return path.empty() ? root_ : concat(root_, '/', path); }
  std::string in_layer(std::string_view path) const {
    if (path.empty()) return prefix_;
    return join_path(prefix_, path);
  }

  bool is_overlay() const { return options_.kind == TreeOptions::Kind::overlay_upper; }

  void check_stop() const {
    if (stop_.stop_requested()) throw Error(ErrorCode::canceled, concat("stopped while reading ", root_));
  }

  Stat stat_at(int directory, const std::string& name, std::string_view path) const {
    Stat info{};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error(concat("cannot read ", shown(path)), errno);
    return info;
  }

  Stat stat_of(int fd, std::string_view path) const {
    Stat info{};
    if (::fstat(fd, &info) != 0) throw system_error(concat("cannot read ", shown(path)), errno);
    return info;
  }

  void add_children(int directory, const std::string& path) {
    for (const auto& child : list(directory, path)) {
      check_stop();
      const auto child_path = join_path(path, child.name);
      if (in_layer(child_path).size() >= PATH_MAX)
        throw Error(ErrorCode::invalid_input,
                    concat("a path is longer than ", PATH_MAX - 1, " bytes: ", shown(child_path)));
      if (options_.keep && !options_.keep(child_path, child.type)) continue;
      if (child.is_whiteout()) {
        writer_.add_whiteout(in_layer(child_path));
        ++stats_.entries;
        continue;
      }
      switch (child.type) {
        case EntryType::directory:
          add_directory(directory, child.name, child_path);
          break;
        case EntryType::file:
          add_file(directory, child.name, child_path);
          break;
        default:
          add_special(directory, child, child_path);
          break;
      }
    }
  }

  // The names in a directory in the order of the layer, without those that have no place in it.
  std::vector<Child> list(int directory, const std::string& path) const {
    // A descriptor of its own: closedir closes it.
    UniqueFd fd = open_at(directory, ".", O_RDONLY | O_DIRECTORY, 0, shown(path));
    const auto close = [](DIR* stream) { ::closedir(stream); };
    const std::unique_ptr<DIR, decltype(close)> stream(::fdopendir(fd.get()), close);
    if (!stream) throw system_error(concat("cannot list ", shown(path)), errno);
    fd.release();

    std::vector<Child> children;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) {
        if (errno != 0) throw system_error(concat("cannot list ", shown(path)), errno);
        break;
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (auto child = classify(directory, path, std::string(name), entry->d_type))
        children.push_back(std::move(*child));
    }
    std::sort(children.begin(), children.end(),
              [](const Child& a, const Child& b) { return a.emitted < b.emitted; });
    return children;
  }

  std::optional<Child> classify(int directory, const std::string& path, std::string name,
                                unsigned char hint) const {
    mode_t mode = DTTOIF(hint);
    bool whiteout = false;
    if (hint == DT_UNKNOWN || (hint == DT_CHR && is_overlay())) {
      const auto info = stat_at(directory, name, join_path(path, name));
      mode = info.st_mode;
      // kernel Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"
      whiteout = is_overlay() && S_ISCHR(mode) && info.st_rdev == 0;
    }
    const auto type = entry_type(mode);
    if (!type) return std::nullopt;
    auto emitted = whiteout ? concat(".wh.", name) : name;
    return Child{std::move(name), std::move(emitted), *type};
  }

  TarEntry make_entry(const Stat& info, EntryType type, std::string_view path) const {
    TarEntry entry;
    entry.path = in_layer(path);
    entry.type = type;
    entry.mode = mode_of(info, type);
    entry.uid = options_.owner ? options_.owner->first : info.st_uid;
    entry.gid = options_.owner ? options_.owner->second : info.st_gid;
    return entry;
  }

  unsigned mode_of(const Stat& info, EntryType type) const {
    if (type == EntryType::symlink) return 0777;
    if (options_.modes == TreeOptions::Modes::as_is) return info.st_mode & 07777U;
    return type == EntryType::directory || (info.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
  }

  void add_directory(int parent, const std::string& name, const std::string& path) {
    const auto fd = open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, shown(path));
    add_directory_entry(fd.get(), path);
    add_children(fd.get(), path);
  }

  void add_directory_entry(int fd, const std::string& path) {
    auto attributes = read_attributes(fd, path);
    auto entry = make_entry(stat_of(fd, path), EntryType::directory, path);
    entry.xattrs = std::move(attributes.kept);
    writer_.add(std::move(entry));
    ++stats_.entries;
    if (attributes.opaque) add_opaque_marker(path);
  }

  void add_opaque_marker(const std::string& path) {
    writer_.add_opaque_marker(in_layer(path));
    ++stats_.entries;
  }

  void add_special(int parent, const Child& child, const std::string& path) {
    const auto info = stat_at(parent, child.name, path);
    if (entry_type(info.st_mode) != child.type) throw changed(path, "is something else now");
    auto entry = make_entry(info, child.type, path);
    if (child.type == EntryType::symlink) {
      entry.link_target = read_link(parent, child.name, path);
    } else if (child.type != EntryType::fifo) {
      entry.device_major = major(info.st_rdev);
      entry.device_minor = minor(info.st_rdev);
    }
    writer_.add(std::move(entry));
    ++stats_.entries;
  }

  std::string read_link(int parent, const std::string& name, const std::string& path) const {
    std::string target(PATH_MAX, '\0');
    const auto count = ::readlinkat(parent, name.c_str(), target.data(), target.size());
    if (count < 0) throw system_error(concat("cannot read the link ", shown(path)), errno);
    target.resize(static_cast<std::size_t>(count));
    return target;
  }

  void add_file(int parent, const std::string& name, const std::string& path) {
    // O_NONBLOCK: should a fifo have taken the file's place, opening it does not wait.
    const auto fd = open_at(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, shown(path));
    const auto info = stat_of(fd.get(), path);
    if (!S_ISREG(info.st_mode)) throw changed(path, "is something else now");
    auto entry = make_entry(info, EntryType::file, path);
    ++stats_.entries;
    if (info.st_nlink > 1 && options_.hard_links == TreeOptions::HardLinks::keep) {
      const auto [first, is_first] = links_.try_emplace({info.st_dev, info.st_ino}, entry.path);
      if (!is_first) {
        entry.type = EntryType::hardlink;
        entry.link_target = first->second;
        writer_.add(std::move(entry));
        return;
      }
    }
    entry.xattrs = read_attributes(fd.get(), path).kept;
    entry.size = static_cast<std::uint64_t>(info.st_size);
    stats_.content_bytes += entry.size;
    const auto size = entry.size;
    writer_.begin(std::move(entry));
    add_content(fd.get(), size, path);
    const auto after = stat_of(fd.get(), path);
    if (after.st_size != info.st_size)
      throw changed(path, concat("now has ", after.st_size, " bytes, not ", size));
    if (after.st_mtim.tv_sec != info.st_mtim.tv_sec || after.st_mtim.tv_nsec != info.st_mtim.tv_nsec)
      throw changed(path, "was written to");
  }

  void add_content(int fd, std::uint64_t size, const std::string& path) {
    for (auto left = size; left > 0;) {
      const auto buffer = writer_.buffer(static_cast<std::size_t>(std::min<std::uint64_t>(left, kReadBlock)));
      const auto count = ::read(fd, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(concat("cannot read ", shown(path)), errno);
      if (count == 0) throw changed(path, concat("ends after ", size - left, " of ", size, " bytes"));
      writer_.commit_buffer(static_cast<std::size_t>(count));
      left -= static_cast<std::uint64_t>(count);
      check_stop();
    }
  }

  Error changed(std::string_view path, std::string_view how) const {
    return Error(ErrorCode::invalid_input, concat(shown(path), " changed while it was read: it ", how))
        .with_hint("make sure nothing writes to the directory, then run again");
  }

  Attributes read_attributes(int fd, std::string_view path) {
    Attributes out;
    const auto names = list_attributes(fd, path);
    for (std::string_view rest = names; !rest.empty();) {
      const auto end = rest.find('\0');
      take_attribute(out, fd, std::string(rest.substr(0, end)), path);
      rest.remove_prefix(std::min(rest.size(), end + 1));
    }
    return out;
  }

  void take_attribute(Attributes& out, int fd, const std::string& name, std::string_view path) {
    if (is_overlay()) {
      for (const std::string_view space : {"trusted.overlay.", "user.overlay."}) {
        if (!name.starts_with(space)) continue;
        const auto note = name.substr(space.size());
        if (note == "opaque") out.opaque = read_attribute(fd, name, path) == "y";
        if (note == "redirect" || note == "metacopy")
          throw Error(ErrorCode::unsupported,
                      concat(shown(path), " has its content elsewhere (overlayfs attribute ", name, ")"))
              .with_hint("mount the overlay with redirect_dir=off,metacopy=off");
        return;
      }
    }
    if (name == "security.capability" || name.starts_with("user."))
      out.kept[name] = read_attribute(fd, name, path);
  }

  // Names, each with a NUL after it. The kernel limits the list, and each value, to XATTR_LIST_MAX bytes.
  std::string_view list_attributes(int fd, std::string_view path) {
    const auto count = ::flistxattr(fd, attribute_names_.data(), attribute_names_.size());
    if (count >= 0) return {attribute_names_.data(), static_cast<std::size_t>(count)};
    if (errno == ENOTSUP) return {};
    throw system_error(concat("cannot read the attributes of ", shown(path)), errno);
  }

  std::string read_attribute(int fd, const std::string& name, std::string_view path) {
    std::string value(XATTR_SIZE_MAX, '\0');
    const auto count = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
    if (count < 0) throw system_error(concat("cannot read the attribute ", name, " of ", shown(path)), errno);
    value.resize(static_cast<std::size_t>(count));
    value.shrink_to_fit();
    return value;
  }

  LayerWriter& writer_;
  std::string root_;
  const TreeOptions& options_;
  std::stop_token stop_;
  std::string prefix_;
  TreeStats stats_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  // path in the layer that holds the data
  std::string attribute_names_ = std::string(XATTR_LIST_MAX, '\0');
};

}  // namespace

TreeStats add_tree(LayerWriter& writer, const fs::path& directory, const TreeOptions& options,
                   std::stop_token stop) {
  return Walk(writer, directory, options, std::move(stop)).run();
}

}  // namespace dash::oci
