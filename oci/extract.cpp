#include "oci/extract.hpp"

#include "base/archive.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "oci/layer_writer.hpp"
#include "oci/rooted_tree.hpp"

#include <array>
#include <cerrno>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace dash::oci {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kWhiteoutMeta =
    ".wh..wh.";  // aufs' own files; only the opaque marker has a meaning here
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr const char* kOverlayOpaque = "trusted.overlay.opaque";
constexpr int kMaxPurgeDepth = 512;
constexpr std::uint64_t kMaxPadding = std::uint64_t{64} << 20;  // after the end of the archive

struct Inode {
  dev_t device = 0;
  ino_t number = 0;
  bool operator==(const Inode&) const = default;
};
struct InodeHash {
  std::size_t operator()(const Inode& inode) const {
    return std::hash<std::uint64_t>()(inode.number ^ (static_cast<std::uint64_t>(inode.device) << 40U));
  }
};

Inode inode_of(const struct stat& info) {
  return {info.st_dev, info.st_ino};
}

// What overlayfs takes for a whiteout.
bool is_overlay_whiteout(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == 0;
}

// Attributes that steer overlayfs must not come from a layer: they could make it show other directories.
bool is_overlay_attribute(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

bool holds_whiteout_directory(std::string_view parent) {
  return parent.starts_with(kWhiteout) || contains(parent, "/.wh.");
}

std::array<timespec, 2> both_times(std::int64_t seconds) {
  const timespec time{static_cast<time_t>(seconds), 0};
  return {time, time};
}

class Extractor {
 public:
  Extractor(Source& layer, const fs::path& directory, const std::string& name, const ExtractOptions& options,
            std::stop_token stop)
      : archive_(layer, ArchiveReader::Format::tar, name),
        tree_(directory),
        layer_(name),
        options_(options),
        stop_(std::move(stop)),
        overlay_(options.whiteouts == ExtractOptions::Whiteouts::overlay),
        has_lower_(!overlay_ && !list_directory(tree_.root(), directory.string()).empty()) {
    hooks_.made = [this](int made, const std::string& path) { remember_new(made, path, kDefaultEpoch); };
    hooks_.unblock = [this](int parent, const std::string& blocked, const std::string& path) {
      return unblock(parent, blocked, path);
    };
  }

  void run() {
    while (auto entry = archive_.next()) {
      check_stop();
      shown_ = entry->path;
      if (++entries_ > options_.max_entries)
        refuse(concat("the layer has more than ", options_.max_entries, " entries"));
      if (entry->size > options_.max_bytes - bytes_)
        refuse(concat("the layer holds more than ", human_size(options_.max_bytes)));
      bytes_ += entry->size;
      apply(*entry);
    }
    shown_.clear();
    restore_directory_times();
  }

 private:
  // A directory that this layer puts something in.
  struct Directory {
    std::string path;
    std::int64_t mtime = 0;  // what it gets at the end
    // Names that this layer put there, which its own whiteouts leave alone. Kept only when they can matter.
    std::unordered_set<std::string> names;
  };
  struct Parent {
    std::string path;
    UniqueFd fd;
    Directory* record = nullptr;
  };

  // Failures
  // -------------------------------------------------------------------------------------------------

  std::string where() const {
    return shown_.empty() ? concat("layer ", layer_) : concat("layer ", layer_, ", entry ", quoted(shown_));
  }
  [[noreturn]] void refuse(std::string_view why) const {
    throw Error(ErrorCode::corrupt, concat(where(), ": ", why));
  }
  // A system call failed: these errors come from what the layer says, all others from this machine.
  [[noreturn]] void fail(std::string_view what, int error) const {
    auto failure = system_error(concat(where(), ": ", what), error);
    switch (error) {
      case ENOENT:
      case ENOTDIR:
      case EISDIR:
      case EEXIST:
      case ELOOP:
      case EXDEV:
      case ENAMETOOLONG:
      case EINVAL:
        throw Error(ErrorCode::corrupt, failure.message());
      default:
        throw failure;
    }
  }
  void require(int result, std::string_view what) const {
    if (result != 0) fail(what, errno);
  }
  void check_stop() const {
    if (stop_.stop_requested())
      throw Error(ErrorCode::canceled, concat("unpacking layer ", layer_, " was stopped"));
  }

  // Entries
  // --------------------------------------------------------------------------------------------------

  std::string normalize(std::string_view name, std::string_view what) const {
    try {
      return normalize_entry_path(name);
    } catch (const Error& error) {
      refuse(concat(what, error.message()));
    }
  }

  void apply(const ArchiveEntry& entry) {
    const auto path = normalize(entry.path, "");
    if (path.empty()) {
      if (entry.type != EntryType::directory) refuse("the root of the image can only be a directory");
      return finish_directory(tree_.try_open(""), "", entry, Before::existed);
    }
    const auto place_of = split_entry_path(path);
    const auto& parent = place_of.parent;
    const auto& name = place_of.name;
    if (parent.starts_with(kWhiteoutMeta) || contains(parent, concat('/', kWhiteoutMeta))) return;
    if (holds_whiteout_directory(parent)) refuse("a whiteout cannot be a directory");
    if (name.starts_with(kWhiteout)) return apply_whiteout(parent, name);
    enter(parent);
    switch (entry.type) {
      case EntryType::file:
        add_file(name, entry);
        break;
      case EntryType::directory:
        add_directory(name, path, entry);
        break;
      case EntryType::symlink:
        place(name, [&] { return ::symlinkat(entry.link_target.c_str(), at(), name.c_str()); });
        finish_node(name, entry);
        break;
      case EntryType::hardlink:
        add_hard_link(name, entry);
        break;
      case EntryType::char_device:
        add_node(name, entry, overlay_ ? S_IFREG : S_IFCHR);
        break;
      case EntryType::block_device:
        add_node(name, entry, overlay_ ? S_IFREG : S_IFBLK);
        break;
      case EntryType::fifo:
        add_node(name, entry, S_IFIFO);
        break;
    }
    if (has_lower_) parent_.record->names.insert(name);
  }

  int at() const { return parent_.fd.get(); }

  // Makes `path` the current parent; false with errno when that cannot be. Archives list a directory's
  // content together, so remembering one is enough.
  bool try_enter(const std::string& path) {
    if (parent_.fd && parent_.path == path) return true;
    auto fd = tree_.try_open(path);
    if (!fd && (errno == ENOENT || errno == ENOTDIR)) fd = tree_.make(path, hooks_);
    if (!fd) return false;
    auto& record = remember(fd.get(), path);
    parent_ = {path, std::move(fd), &record};
    return true;
  }

  void enter(const std::string& path) {
    if (!try_enter(path)) fail(concat("cannot make its directory ", quoted(path)), errno);
  }

  // Runs `make` (0 or -1 with errno), after removing what has the name already.
  template <class Make>
  void place(const std::string& name, Make make) {
    if (make() == 0) return;
    if (errno == EEXIST) {
      clear(name);
      if (make() == 0) return;
    }
    fail("cannot make it", errno);
  }

  void clear(const std::string& name) {
    struct stat info {};
    if (::fstatat(at(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    remove_tree_at(at(), name, where());
    // Paths may lead elsewhere now: the current parent is good for this entry only.
    if (!S_ISREG(info.st_mode)) parent_.path = kNoPath;
  }

  void add_file(const std::string& name, const ArchiveEntry& entry) {
    UniqueFd fd;
    place(name, [&] {
      fd = UniqueFd(::openat(at(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      return fd ? 0 : -1;
    });
    write_content(fd.get(), entry.size);
    finish_open(fd.get(), entry);
    const auto times = both_times(entry.mtime);
    require(::futimens(fd.get(), times.data()), "cannot set its time");
  }

  void write_content(int fd, std::uint64_t size) {
    FdSink sink(fd, where());
    std::uint64_t written = 0;
    for (std::size_t used = 1; used != 0;) {
      check_stop();
      used = 0;
      while (used < buffer_.size()) {
        const auto count = archive_.read(MutableBytes(buffer_).subspan(used));
        if (count == 0) break;
        used += count;
      }
      sink.write(Bytes(buffer_).first(used));
      written += used;
      if (written > size) refuse("it holds more than its header says");
    }
  }

  void add_directory(const std::string& name, const std::string& path, const ArchiveEntry& entry) {
    auto before = Before::absent;
    if (::mkdirat(at(), name.c_str(), 0700) != 0) {
      struct stat info {};
      if (errno != EEXIST || ::fstatat(at(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        fail("cannot make it", errno);
      if (S_ISDIR(info.st_mode)) {
        before = Before::existed;
      } else {
        if (overlay_ && is_overlay_whiteout(info)) before = Before::whited_out;
        place(name, [&] { return ::mkdirat(at(), name.c_str(), 0700); });
      }
    }
    finish_directory(UniqueFd(::openat(at(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
                     path, entry, before);
  }

  void add_hard_link(const std::string& name, const ArchiveEntry& entry) {
    const auto shown_target = concat("its link target ", quoted(entry.link_target));
    const auto target_place =
        split_entry_path(normalize(entry.link_target, concat(shown_target, " is refused: ")));
    const auto& target = target_place.name;
    const auto directory = tree_.try_open(target_place.parent);
    struct stat from {
    }, to{};
    if (!directory || ::fstatat(directory.get(), target.c_str(), &from, AT_SYMLINK_NOFOLLOW) != 0)
      refuse(concat(shown_target, " does not exist"));
    if (S_ISDIR(from.st_mode)) refuse(concat(shown_target, " is a directory"));
    if (::fstatat(at(), name.c_str(), &to, AT_SYMLINK_NOFOLLOW) == 0 && inode_of(from) == inode_of(to))
      return;
    place(name, [&] { return ::linkat(directory.get(), target.c_str(), at(), name.c_str(), 0); });
  }

  void add_node(const std::string& name, const ArchiveEntry& entry, mode_t type) {
    place(name, [&] {
      return ::mknodat(at(), name.c_str(), type | 0600,
                       S_ISCHR(type) || S_ISBLK(type) ? makedev(entry.device_major, entry.device_minor) : 0);
    });
    finish_node(name, entry);
    // Safe to go by name: it was made just now and is no symbolic link.
    require(::fchmodat(at(), name.c_str(), entry.mode, 0), "cannot set its mode");
  }

  // Metadata
  // -------------------------------------------------------------------------------------------------

  static uid_t id(std::uint64_t value) { return static_cast<uid_t>(value); }

  void check_owner(const ArchiveEntry& entry) const {
    // The last one means "leave it" to chown(2).
    constexpr auto kLast = std::numeric_limits<uid_t>::max();
    if (entry.uid >= kLast || entry.gid >= kLast)
      refuse(concat("it has the owner ", entry.uid, ':', entry.gid));
  }

  // Owner, then mode (chown clears set-id bits and capabilities), then attributes.
  void finish_open(int fd, const ArchiveEntry& entry) const {
    check_owner(entry);
    require(::fchown(fd, id(entry.uid), id(entry.gid)), "cannot set its owner");
    require(::fchmod(fd, entry.mode), "cannot set its mode");
    for (const auto& [name, value] : entry.xattrs) {
      if (is_overlay_attribute(name)) continue;
      check_attribute(::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0), name, entry);
    }
  }

  // The same for what is not opened: symbolic links, devices, fifos.
  void finish_node(const std::string& name, const ArchiveEntry& entry) const {
    check_owner(entry);
    require(::fchownat(at(), name.c_str(), id(entry.uid), id(entry.gid), AT_SYMLINK_NOFOLLOW),
            "cannot set its owner");
    for (const auto& [key, value] : entry.xattrs) {
      if (is_overlay_attribute(key)) continue;
      const auto path = concat("/proc/self/fd/", at(), '/', name);
      check_attribute(::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0), key, entry);
    }
    const auto times = both_times(entry.mtime);
    require(::utimensat(at(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), "cannot set its time");
  }

  void check_attribute(int result, const std::string& name, const ArchiveEntry& entry) const {
    if (result == 0 || errno == ENOTSUP) return;  // the file system has no such attributes
    // Only files and directories may have user attributes (xattr(7)); some tars say otherwise.
    const bool plain = entry.type == EntryType::file || entry.type == EntryType::directory;
    if (errno == EPERM && !plain && name.starts_with("user.")) return;
    fail(concat("cannot set its attribute ", quoted(name)), errno);
  }

  enum class Before { absent, existed, whited_out };

  void finish_directory(UniqueFd fd, const std::string& path, const ArchiveEntry& entry, Before before) {
    if (!fd) fail("cannot open it", errno);
    if (before == Before::existed) drop_attributes(fd.get(), entry);
    finish_open(fd.get(), entry);
    if (before == Before::whited_out) make_opaque(fd.get());
    if (before == Before::existed)
      remember(fd.get(), path).mtime = entry.mtime;
    else
      remember_new(fd.get(), path, entry.mtime);
  }

  // An existing directory keeps only the attributes that the new entry gives it.
  void drop_attributes(int fd, const ArchiveEntry& entry) const {
    std::vector<char> names(std::size_t{64} * 1024);  // XATTR_LIST_MAX
    const auto size = ::flistxattr(fd, names.data(), names.size());
    if (size <= 0) return;
    const std::string_view all(names.data(), static_cast<std::size_t>(size) - 1);
    for (const auto part : split(all, '\0')) {
      const std::string name(part);
      if (is_overlay_attribute(name) || name == "security.selinux" || entry.xattrs.contains(name)) continue;
      if (::fremovexattr(fd, name.c_str()) != 0 && errno != ENODATA && errno != ENOTSUP)
        fail(concat("cannot remove its attribute ", quoted(name)), errno);
    }
  }

  void make_opaque(int directory) const {
    require(::fsetxattr(directory, kOverlayOpaque, "y", 1, 0), "cannot mark its directory as opaque");
  }

  // Directories
  // ----------------------------------------------------------------------------------------------

  // A directory that was there before keeps its time, unless the layer has an entry for it.
  Directory& remember(int fd, const std::string& path) {
    struct stat info {};
    require(::fstat(fd, &info), "cannot read its directory");
    const auto [at, added] = directories_.try_emplace(inode_of(info));
    if (added) at->second = {path, info.st_mtime, {}};
    return at->second;
  }

  void remember_new(int fd, const std::string& path, std::int64_t mtime) {
    struct stat info {};
    require(::fstat(fd, &info), "cannot read its directory");
    directories_.insert_or_assign(inode_of(info), Directory{path, mtime, {}});
  }

  // A whiteout of this layer stands where a directory of this layer must be: an opaque directory says both.
  bool unblock(int parent, const std::string& name, const std::string& path) {
    struct stat info {};
    if (!overlay_ || ::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !is_overlay_whiteout(info))
      return false;
    if (::unlinkat(parent, name.c_str(), 0) != 0) return false;
    const auto fd = tree_.make(path, hooks_);
    if (!fd) return false;
    make_opaque(fd.get());
    return true;
  }

  void restore_directory_times() {
    for (const auto& [inode, directory] : directories_) {
      const auto fd = tree_.try_open(directory.path);
      struct stat info {};
      // It may have been replaced or removed since.
      if (!fd || ::fstat(fd.get(), &info) != 0 || inode_of(info) != inode) continue;
      const auto times = both_times(directory.mtime);
      require(::futimens(fd.get(), times.data()), concat("cannot set the time of ", quoted(directory.path)));
    }
  }

  // Whiteouts
  // ------------------------------------------------------------------------------------------------

  void apply_whiteout(const std::string& parent, const std::string& marker) {
    const bool opaque = marker == kOpaque;
    if (!opaque && marker.starts_with(kWhiteoutMeta)) return;
    const auto name = marker.substr(kWhiteout.size());
    if (!opaque && (name.empty() || name == "." || name == "..")) refuse("it is a whiteout of no name");
    if (overlay_) {
      if (!try_enter(parent)) {
        if (hides_nothing(errno)) return;
        fail("cannot make its directory", errno);
      }
      if (opaque)
        make_opaque(at());
      else
        add_overlay_whiteout(name);
    } else if (has_lower_) {
      purge_below(parent, opaque ? "" : name);
    }
  }

  // The directory of a whiteout is missing or is no directory any more: nothing can be below it.
  static bool hides_nothing(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

  void add_overlay_whiteout(const std::string& name) {
    if (::mknodat(at(), name.c_str(), S_IFCHR, 0) == 0) return;
    if (errno != EEXIST) fail("cannot make a whiteout", errno);
    // This layer has the name itself; only a directory lets lower layers shine through.
    const UniqueFd fd(::openat(at(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd) make_opaque(fd.get());
  }

  // Removes what lower layers have under `name` in `parent`, or everything of theirs there when it is empty.
  void purge_below(const std::string& parent, const std::string& name) {
    const auto directory = tree_.try_open(parent);
    if (!directory) {
      if (hides_nothing(errno)) return;
      fail("cannot open its directory", errno);
    }
    const auto& record = remember(directory.get(), parent);
    const auto names = name.empty() ? list_directory(directory.get(), where()) : std::vector{name};
    for (const auto& child : names) purge(directory.get(), record, child, 0);
    parent_.path = kNoPath;
  }

  // True when nothing is left of `name`. What this layer has put there stays, with the directories above it.
  bool purge(int parent, const Directory& record, const std::string& name, int depth) {
    if (depth > kMaxPurgeDepth) refuse("the directories it removes are nested too deeply");
    const auto path = concat(record.path, '/', name);
    const bool ours = record.names.contains(name);
    const UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      if (errno == ENOENT) return true;
      if (errno != ENOTDIR && errno != ELOOP) fail(concat("cannot remove ", quoted(path)), errno);
      if (ours) return false;
      require(::unlinkat(parent, name.c_str(), 0), concat("cannot remove ", quoted(path)));
      return true;
    }
    const auto& own = remember(fd.get(), path);
    bool empty = true;
    for (const auto& child : list_directory(fd.get(), where()))
      empty = purge(fd.get(), own, child, depth + 1) && empty;
    if (ours || !empty) return false;
    require(::unlinkat(parent, name.c_str(), AT_REMOVEDIR), concat("cannot remove ", quoted(path)));
    return true;
  }

  // No entry has it: a parent's path never ends with "/".
  static constexpr const char* kNoPath = "/";

  ArchiveReader archive_;
  RootedTree tree_;
  const std::string& layer_;
  const ExtractOptions& options_;
  std::stop_token stop_;
  const bool overlay_;
  const bool has_lower_;  // in `apply` mode, the directory held something before: whiteouts may matter
  RootedTree::MakeHooks hooks_;
  std::unordered_map<Inode, Directory, InodeHash> directories_;
  Parent parent_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kStreamBlock);
  std::string shown_;  // the current entry's name, as the layer has it
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

void extract_layer(Source& layer, const fs::path& directory, const std::string& name,
                   const ExtractOptions& options, std::stop_token stop) {
  Extractor(layer, directory, name, options, std::move(stop)).run();
  // What follows the archive's end counts for the digest, which the source checks at its own end.
  NullSink nowhere;
  LimitedSource rest(layer, kMaxPadding, concat("what follows the end of the archive in ", name));
  copy(rest, nowhere);
}

}  // namespace dash::oci
