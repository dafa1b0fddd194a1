#include "builder/system/package_split.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "builder/step_inputs.hpp"
#include "builder/system/change_filter.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <boost/filesystem/directory.hpp>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

namespace dash::builder {
namespace {

constexpr const char* kOpaque = "trusted.overlay.opaque";
constexpr std::size_t kNobody = SIZE_MAX;
constexpr std::size_t kSeveral = SIZE_MAX - 1;

struct Entry {
  std::string path;
  struct stat info {};
  std::map<std::string, std::string> attributes;
  std::size_t owner = kNobody;
  bool hiding = false;  // in a directory that hides one below: belongs to no package
  std::string content;  // digest or link target
  std::string link;     // another name of the same file: the first

  bool is_directory() const { return S_ISDIR(info.st_mode); }
  bool is_whiteout() const { return S_ISCHR(info.st_mode) && info.st_rdev == 0; }
};

// Nothing writes to the tree any more, and no symbolic link in it is followed.
class Changes {
 public:
  Changes(const fs::path& root, const std::function<bool(const std::string&)>& below,
          const std::stop_token& stop)
      : root_(root.string()), stop_(stop) {
    const auto top = root_.size() + 1;
    for (fs::recursive_directory_iterator file(root), end; file != end; ++file) {
      if (stop.stop_requested())
        throw Error(ErrorCode::canceled, "stopped while looking at what apt changed");
      Entry entry;
      entry.path = file->path().string().substr(top);
      if (is_system_noise(entry.path)) {
        file.disable_recursion_pending();
        continue;
      }
      if (::lstat(file->path().c_str(), &entry.info) != 0)
        throw system_error(concat("cannot read ", file->path().string()), errno);
      if (!S_ISSOCK(entry.info.st_mode)) entries_.push_back(std::move(entry));
    }
    std::ranges::sort(entries_, oci::layer_path_less, &Entry::path);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      read_attributes(entries_[i], below);
      indices_.emplace(entries_[i].path, i);
    }
  }

  std::vector<Entry>& entries() { return entries_; }
  const std::vector<Entry>& entries() const { return entries_; }
  std::optional<std::size_t> find(std::string_view path) const {
    const auto found = indices_.find(path);
    return found == indices_.end() ? std::nullopt : std::optional(found->second);
  }
  // A path as packages list it: "lib/x" is "usr/lib/x" where /usr is merged.
  std::optional<std::size_t> find_listed(std::string_view path) const {
    const auto found = find(path);
    return found ? found : find(concat("usr/", path));
  }

  void read_contents(ThreadPool& pool) {
    pool.for_each(entries_.size(), [&](std::size_t i) {
      Entry& entry = entries_[i];
      if (stop_.stop_requested() || entry.owner == kNobody) return;
      const fs::path file = concat(root_, '/', entry.path);
      if (S_ISLNK(entry.info.st_mode)) entry.content = fs::read_symlink(file).string();
      if (!S_ISREG(entry.info.st_mode)) return;
      FileSource source(file);
      entry.content = to_hex(sha256(source));
    });
  }

 private:
  void read_attributes(Entry& entry, const std::function<bool(const std::string&)>& below) {
    const auto slash = entry.path.rfind('/');
    if (slash != std::string::npos) {
      // Sorted: the parent has been looked at.
      const auto parent = find(std::string_view(entry.path).substr(0, slash));
      entry.hiding = parent && entries_[*parent].hiding;
    }
    const std::string file = concat(root_, '/', entry.path);
    std::string names(XATTR_LIST_MAX, '\0');
    const auto count = ::llistxattr(file.c_str(), names.data(), names.size());
    if (count < 0 && errno != ENOTSUP)
      throw system_error(concat("cannot read the attributes of ", file), errno);
    names.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    for (const auto view : split(names, '\0')) {
      const std::string name(view);
      if (name == kOpaque && entry.is_directory()) {
        if (!entry.hiding && below(entry.path))
          entry.hiding = true;
        else if (::lremovexattr(file.c_str(), kOpaque) != 0)
          throw system_error(concat("cannot change the attributes of ", file), errno);
      }
      // Those that get into layers (oci/tree.hpp).
      if (name != "security.capability" && !name.starts_with("user.")) continue;
      std::string value(XATTR_SIZE_MAX, '\0');
      const auto size = ::lgetxattr(file.c_str(), name.c_str(), value.data(), value.size());
      if (size < 0) throw system_error(concat("cannot read the attribute ", name, " of ", file), errno);
      value.resize(static_cast<std::size_t>(size));
      entry.attributes[name] = std::move(value);
    }
  }

  std::string root_;
  const std::stop_token& stop_;
  std::vector<Entry> entries_;  // in the order of a layer
  std::unordered_map<std::string_view, std::size_t> indices_;
};

// "usr/lib/python3/dist-packages/x.py" for ".../__pycache__/x.cpython-311.pyc".
std::optional<std::string> python_source(std::string_view path) {
  constexpr std::string_view kCache = "/__pycache__/";
  const auto cache = path.rfind(kCache);
  if (cache == std::string_view::npos || !path.ends_with(".pyc")) return std::nullopt;
  const auto name = path.substr(cache + kCache.size());
  return concat(path.substr(0, cache), '/', name.substr(0, name.find('.')), ".py");
}

// Compressed sizes, roughly, as a function of names and sizes.
std::uint64_t weight_of(const Entry& entry) {
  constexpr std::uint64_t kHeader = 64;  // of what a tar header comes to
  if (!S_ISREG(entry.info.st_mode)) return kHeader;
  const auto size = static_cast<std::uint64_t>(entry.info.st_size);
  for (const std::string_view packed :
       {".gz", ".xz", ".zst", ".bz2", ".png", ".jpg", ".zip", ".jar", ".woff2"})
    if (entry.path.ends_with(packed)) return kHeader + size;
  return kHeader + size / 3;
}

void find_owners(Changes& changes, const std::vector<DpkgPackage>& packages) {
  auto& entries = changes.entries();
  for (std::size_t p = 0; p < packages.size(); ++p) {
    for (const auto& path : packages[p].paths) {
      const auto found = changes.find_listed(path);
      if (!found) continue;
      Entry& entry = entries[*found];
      if (entry.is_directory() || entry.is_whiteout() || entry.hiding) continue;
      entry.owner = entry.owner == kNobody || entry.owner == p ? p : kSeveral;
    }
  }
  for (Entry& entry : entries) {
    if (entry.owner != kNobody || !S_ISREG(entry.info.st_mode) || entry.hiding) continue;
    const auto source = python_source(entry.path);
    const auto found = source ? changes.find(*source) : std::nullopt;
    if (found) entry.owner = entries[*found].owner;
  }
  // Names of one file are in one part.
  std::map<std::pair<dev_t, ino_t>, std::vector<Entry*>> links;
  for (Entry& entry : entries)
    if (S_ISREG(entry.info.st_mode) && entry.info.st_nlink > 1)
      links[{entry.info.st_dev, entry.info.st_ino}].push_back(&entry);
  for (const auto& link : links) {
    const auto& names = link.second;
    const bool together =
        std::ranges::all_of(names, [&](const Entry* name) { return name->owner == names.front()->owner; });
    for (Entry* name : names) {
      if (!together) name->owner = kNobody;
      name->link = names.front()->path;
    }
  }
  for (Entry& entry : entries)
    if (entry.owner == kSeveral) entry.owner = kNobody;
}

// Indices of entries, in the order of a layer, with the directories above them.
class Part {
 public:
  explicit Part(const Changes& changes) : changes_(changes) {}

  void add(std::size_t index) {
    if (!indices_.insert(index).second) return;
    const std::string_view path = changes_.entries()[index].path;
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return;
    if (const auto parent = changes_.find(path.substr(0, slash))) add(*parent);
  }
  const std::set<std::size_t>& indices() const { return indices_; }

  std::vector<std::string> paths() const {
    std::vector<std::string> out;
    for (const std::size_t i : indices_) out.push_back(changes_.entries()[i].path);
    return out;
  }

 private:
  const Changes& changes_;
  std::set<std::size_t> indices_;
};

std::string digest_of(const Part& part, const std::vector<Entry>& entries) {
  StepInputs out;
  for (const std::size_t i : part.indices()) {
    const Entry& entry = entries[i];
    const auto& info = entry.info;
    out.add(entry.path,
            concat(info.st_mode, ' ', info.st_uid, ' ', info.st_gid, ' ', info.st_rdev, ' ', entry.content));
    for (const auto& [name, value] : entry.attributes) out.add_content(name, value);
    // Names of one file: which of them are is part of the layer.
    if (!entry.link.empty()) out.add("link", entry.link);
  }
  return out.key("system package").hex();
}

}  // namespace

ChangeSplit split_changes(const fs::path& tree, const std::vector<DpkgPackage>& packages,
                          const std::function<bool(const std::string& path)>& below, ThreadPool& pool,
                          const std::stop_token& stop) {
  Changes changes(tree, below, stop);
  auto& entries = changes.entries();
  find_owners(changes, packages);
  changes.read_contents(pool);

  std::vector<Part> parts(packages.size(), Part(changes));
  Part rest(changes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].owner != kNobody)
      parts[entries[i].owner].add(i);
    else if (!entries[i].is_directory())
      rest.add(i);
  }
  // Directories that were there before are in the changes or not, whatever this package did.
  for (std::size_t p = 0; p < packages.size(); ++p)
    for (const auto& path : packages[p].paths)
      if (const auto found = changes.find_listed(path);
          found && entries[*found].is_directory() && !entries[*found].hiding && !below(entries[*found].path))
        parts[p].add(*found);
  std::vector<bool> placed(entries.size());
  for (const Part& part : parts)
    for (const std::size_t i : part.indices()) placed[i] = true;
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (!placed[i]) rest.add(i);

  ChangeSplit out;
  for (std::size_t p = 0; p < packages.size(); ++p) {
    if (parts[p].indices().empty()) continue;
    auto& package = out.packages.emplace_back();
    package.id = packages[p].id;
    package.version = packages[p].version;
    package.name = packages[p].name;
    for (const std::size_t i : parts[p].indices()) package.weight += weight_of(entries[i]);
    package.digest = digest_of(parts[p], entries);
    package.paths = parts[p].paths();
  }
  out.rest = rest.paths();
  return out;
}

}  // namespace dash::builder
