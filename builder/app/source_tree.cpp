#include "builder/app/source_tree.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/stat_cache.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <ctime>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::builder {

namespace {

constexpr const char* kIgnoreHint = "remove it, or name it in .slugignore or .dockerignore";

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::canceled, "canceled while reading the app's source");
}

bool never_included(std::string_view name) {
  return name == ".git" || name.starts_with(".dash-build");
}

std::string below(const std::string& directory, const std::string& name) {
  return directory.empty() || directory == "." ? name : concat(directory, '/', name);
}

std::string_view kind_name(mode_t mode) {
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "of an unknown kind";
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_nsec};
}

std::string read_link(int directory, const std::string& name, const std::string& shown) {
  std::string target(PATH_MAX, '\0');
  const auto length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (length < 0) throw system_error(concat("cannot read the symbolic link ", shown), errno);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

}  // namespace

class SourceTree::Scanner {
 public:
  Scanner(const AppDirectory& app, const std::string& root, const IgnoreRules& rules, std::stop_token stop)
      : app_(app), root_(normal_path(root).value_or(root)), rules_(rules), stop_(std::move(stop)) {}

  bool root_is_ignored() const { return verdict_of_root().ignored(); }

  std::vector<SourceEntry> run() {
    directory("", verdict_of_root());
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    check_ways();
    return std::move(entries_);
  }

 private:
  IgnoreRules::Verdict verdict_of_root() const {
    auto verdict = rules_.root();
    if (root_ == ".") return verdict;
    for (auto end = root_.find('/');; end = root_.find('/', end + 1)) {
      verdict = rules_.judge(verdict, root_.substr(0, end), EntryType::directory);
      if (end == std::string::npos) return verdict;
    }
  }

  // Adds what is in the directory and below.
  void directory(const std::string& path, const IgnoreRules::Verdict& verdict) {
    check_stop(stop_);
    const auto in_app = path.empty() ? root_ : below(root_, path);
    const auto fd = app_.open(in_app, O_RDONLY | O_DIRECTORY);
    if (!fd)
      throw Error(ErrorCode::invalid_input, concat(quoted(in_app), " vanished while the app was read"));
    for (const auto& name : app_.names(in_app))
      if (!never_included(name))
        entry(fd->get(), path.empty() ? name : concat(path, '/', name), name, verdict);
  }

  void entry(int parent, const std::string& path, const std::string& name,
             const IgnoreRules::Verdict& above) {
    const auto shown = below(root_, path);
    struct stat info {};
    if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error(concat("cannot read ", (app_.path() / shown).string()), errno);
    SourceEntry out;
    out.path = path;
    out.type = S_ISDIR(info.st_mode)   ? EntryType::directory
               : S_ISLNK(info.st_mode) ? EntryType::symlink
                                       : EntryType::file;
    const auto verdict = rules_.judge(above, shown, out.type);
    const bool ignored = verdict.ignored() && shown != "Procfile";
    if (out.type == EntryType::directory) {
      if (ignored && !rules_.may_keep_below(verdict)) return;
      const auto before = entries_.size();
      directory(path, verdict);
      // An ignored directory is there only for what an exception keeps in it.
      if (!ignored || entries_.size() > before) entries_.push_back(std::move(out));
      return;
    }
    if (ignored) return;
    if (out.type == EntryType::symlink) {
      out.link_target = read_link(parent, name, shown);
      check_target(shown, out.link_target);
    } else if (S_ISREG(info.st_mode)) {
      out.executable = (info.st_mode & S_IXUSR) != 0;
      out.stamp = stamp_of(info);
    } else {
      throw Error(ErrorCode::invalid_input,
                  concat(quoted(shown), " is ", kind_name(info.st_mode),
                         ", but the image can only hold files, directories and symbolic links"))
          .with_hint(kIgnoreHint);
    }
    entries_.push_back(std::move(out));
  }

  // The target's text alone must not lead out of the app.
  void check_target(const std::string& shown, const std::string& target) const {
    const auto slash = shown.rfind('/');
    const auto in_app = slash == std::string::npos ? target : concat(shown.substr(0, slash), '/', target);
    if (target.starts_with('/') || !normal_path(in_app)) throw leads_out(shown, target, "");
  }

  // Nor must the way that it takes over other links. Checked last: when such a link is bad itself, it is the
  // one to name.
  void check_ways() const {
    for (const auto& entry : entries_)
      if (entry.type == EntryType::symlink)
        if (const auto shown = below(root_, entry.path); app_.leads_out(shown))
          throw leads_out(shown, entry.link_target, " over another link");
  }

  // The directory above `path` that `python -m venv` made, or nothing.
  std::optional<std::string> virtual_environment(std::string path) const {
    for (auto slash = path.rfind('/'); slash != std::string::npos; slash = path.rfind('/')) {
      path.resize(slash);
      if (app_.has_file(path + "/pyvenv.cfg")) return path;
    }
    return std::nullopt;
  }

  Error leads_out(const std::string& shown, const std::string& target, std::string_view how) const {
    Error out(ErrorCode::invalid_input, concat("the symbolic link ", quoted(shown), " leads out of the app",
                                               how, ": its target is ", quoted(target)));
    if (const auto environment = virtual_environment(shown))
      return std::move(out).with_hint(
          concat(*environment, "/ is a virtual environment, which the image does not need: add the line \"",
                 *environment, "/\" to .slugignore"));
    return std::move(out).with_hint(
        "copy what it points at into the app, or name the link in .slugignore or .dockerignore");
  }

  const AppDirectory& app_;
  std::string root_;
  const IgnoreRules& rules_;
  std::stop_token stop_;
  std::vector<SourceEntry> entries_;
};

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

FileStamp stamp_of(const struct ::stat& info) {
  return {info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), nanoseconds(info.st_mtim),
          nanoseconds(info.st_ctim)};
}

SourceTree SourceTree::scan(const AppDirectory& app, const IgnoreRules& rules, std::stop_token stop) {
  SourceTree out;
  out.scanned_at_ = now_ns();
  out.entries_ = Scanner(app, out.root_, rules, std::move(stop)).run();
  return out;
}

SourceTree SourceTree::scan_below(const AppDirectory& app, const std::string& directory,
                                  const IgnoreRules& rules, std::stop_token stop) {
  SourceTree out;
  out.root_ = directory;
  out.scanned_at_ = now_ns();
  const IgnoreRules nothing;
  const bool ignored = Scanner(app, directory, rules, stop).root_is_ignored();
  out.entries_ = Scanner(app, directory, ignored ? nothing : rules, std::move(stop)).run();
  return out;
}

std::uint64_t SourceTree::content_bytes() const {
  std::uint64_t out = 0;
  for (const auto& entry : entries_) out += entry.stamp.size;
  return out;
}

bool SourceTree::keep(const std::string& path, EntryType type) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), path,
                       [](const SourceEntry& entry, const std::string& p) { return entry.path < p; });
  if (found == entries_.end() || found->path != path) return false;
  return found->type == (type == EntryType::hardlink ? EntryType::file : type);
}

namespace {

Sha256 file_digest(const AppDirectory& app, const std::string& path, const FileStamp& stamp) {
  const auto changed = [&] {
    return Error(ErrorCode::invalid_input, concat(quoted(path), " changed while the app was read"))
        .with_hint("build again when nothing writes to the app directory any more");
  };
  const auto fd = app.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) throw changed();
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    throw system_error(concat("cannot read ", (app.path() / path).string()), errno);
  if (!S_ISREG(info.st_mode)) throw changed();
  FdSource source(fd->get(), (app.path() / path).string());
  NullSink nowhere;
  HashingSink sink(nowhere);
  copy(source, sink);
  if (sink.count() != stamp.size) throw changed();
  return sink.value();
}

// How much one task of the pool hashes: enough that its own cost vanishes.
constexpr std::uint64_t kTaskBytes = std::uint64_t{4} << 20;
constexpr std::size_t kTaskFiles = 64;

// Ends of runs of entries, each about one task's worth.
std::vector<std::size_t> task_ends(const std::vector<SourceEntry>& entries) {
  std::vector<std::size_t> ends;
  std::uint64_t bytes = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    bytes += entries[i].stamp.size;
    if (bytes < kTaskBytes && i + 1 - start < kTaskFiles && i + 1 < entries.size()) continue;
    ends.push_back(i + 1);
    start = i + 1;
    bytes = 0;
  }
  return ends;
}

void add_counted(Sha256Hasher& hasher, std::string_view text) {
  hasher.update(as_bytes(concat(text.size(), ':')));
  hasher.update(as_bytes(text));
}

}  // namespace

Sha256 SourceTree::digest(const AppDirectory& app, ThreadPool& pool, std::stop_token stop) const {
  return digests(app, pool, std::move(stop), nullptr).tree;
}

TreeDigests SourceTree::digests(const AppDirectory& app, ThreadPool& pool, std::stop_token stop,
                                StatCache* cache) const {
  std::vector<Sha256> contents(entries_.size());
  std::vector<std::optional<Sha256>> known(entries_.size());
  if (cache != nullptr) known = cache->find(entries_);
  std::atomic<bool> any_read = false;
  const auto ends = task_ends(entries_);
  pool.for_each(ends.size(), [&](std::size_t task) {
    for (std::size_t i = task == 0 ? 0 : ends[task - 1]; i < ends[task]; ++i) {
      check_stop(stop);
      if (entries_[i].type != EntryType::file) continue;
      if (!known[i]) any_read = true;
      contents[i] =
          known[i] ? *known[i] : file_digest(app, below(root_, entries_[i].path), entries_[i].stamp);
    }
  });
  if (cache != nullptr && any_read) cache->save(entries_, contents, scanned_at_);
  Sha256Hasher hasher;
  hasher.update(as_bytes("dash-build source tree 1\n"));
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto& entry = entries_[i];
    switch (entry.type) {
      case EntryType::directory:
        hasher.update(as_bytes("d"));
        break;
      case EntryType::symlink:
        hasher.update(as_bytes("l"));
        break;
      default:
        hasher.update(as_bytes(entry.executable ? "x" : "f"));
        break;
    }
    add_counted(hasher, entry.path);
    if (entry.type == EntryType::symlink) add_counted(hasher, entry.link_target);
    if (entry.type == EntryType::file) hasher.update(std::as_bytes(std::span(contents[i])));
  }
  return {hasher.value(), std::move(contents)};
}

}  // namespace dash::builder
