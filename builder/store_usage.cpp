#include "builder/store_usage.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/stat_cache.hpp"

#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include <boost/filesystem/directory.hpp>
#include <sys/stat.h>

namespace dash::builder {
namespace {

using Kind = StoreItem::Kind;

class Measurement {
 public:
  Measurement(const Store& store, const std::stop_token& stop) : store_(store), stop_(stop) {}

  StoreUsage run() {
    const auto index = store_.layout().index();
    out_.images = index.manifests.size();
    for (const auto& digest : store_.layout().reachable()) blobs_.insert(digest.hex());
    for (const auto& digest : store_.layout().reachable(oci::ImageLayout::Reach::documents))
      documents_.insert(digest.hex());
    for (const auto& entry : index.manifests) take_image(entry);

    add(Kind::other, store_.home(), own_bytes(store_.home()));
    for (const auto& file : children(store_.home())) {
      const auto name = file.filename().string();
      if (name == "layout")
        add_layout(file);
      else if (name == "snapshots")
        add_snapshots(file);
      else if (name == "packages")
        add_packages(file);
      else if (name == "caches")
        add_children(Kind::cache, file);
      else if (name == "tools")
        add_children(Kind::tool, file);
      else if (name == "records")
        add_records(file);
      else if (name == "transfers")
        add_tree(Kind::transfer, file);
      else if (name == "work")
        add_children(Kind::work, file);
      else
        add_tree(Kind::other, file);
    }
    return std::move(out_);
  }

 private:
  static std::vector<fs::path> children(const fs::path& directory) {
    std::vector<fs::path> out;
    boost::system::error_code absent;
    for (fs::directory_iterator file(directory, absent), end; file != end; file.increment(absent)) {
      if (absent) break;
      out.push_back(file->path());
    }
    return out;
  }

  void take_image(const oci::Descriptor& entry) {
    try {
      const auto image = store_.layout().load(entry);
      for (const auto& id : image.config.diff_ids) diff_ids_.insert(id.hex());
    } catch (const Error&) {  // made for other machines: nothing of it is unpacked here
    }
  }

  std::uint64_t own_bytes(const fs::path& file) {
    constexpr std::uint64_t kBlock = 512;
    struct stat info {};
    if (::lstat(file.c_str(), &info) != 0) return 0;
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 && !seen_.insert({info.st_dev, info.st_ino}).second)
      return 0;
    return static_cast<std::uint64_t>(info.st_blocks) * kBlock;
  }

  std::uint64_t tree_bytes(const fs::path& tree) {
    if (stop_.stop_requested()) throw Error(ErrorCode::canceled, "stopped while measuring the store");
    auto sum = own_bytes(tree);
    boost::system::error_code failed;
    if (!fs::is_directory(fs::symlink_status(tree, failed))) return sum;
    for (const auto& file : children(tree)) sum += tree_bytes(file);
    return sum;
  }

  StoreItem& add(Kind kind, const fs::path& path, std::uint64_t bytes) {
    return out_.items.emplace_back(StoreItem{kind, path, bytes, oci::time_of(path).value_or(0), false});
  }
  StoreItem& add_tree(Kind kind, const fs::path& path) { return add(kind, path, tree_bytes(path)); }
  void add_children(Kind kind, const fs::path& directory) {
    add(Kind::other, directory, own_bytes(directory));
    for (const auto& file : children(directory)) add_tree(kind, file);
  }

  void add_files(Kind kind, const fs::path& directory) {
    add(Kind::other, directory, own_bytes(directory));
    for (const auto& file : children(directory)) {
      if (fs::is_directory(fs::symlink_status(file)))
        add_files(kind, file);
      else
        add_tree(kind, file);
    }
  }

  void add_records(const fs::path& directory) {
    add(Kind::other, directory, own_bytes(directory));
    for (const auto& file : children(directory)) {
      if (file.filename() == kTreeRecords)
        add_children(Kind::cache, file);
      else if (fs::is_directory(fs::symlink_status(file)))
        add_files(Kind::record, file);
      else
        add_tree(Kind::record, file);
    }
  }

  void add_layout(const fs::path& layout) {
    add(Kind::other, layout, own_bytes(layout));
    for (const auto& file : children(layout)) {
      if (file.filename() != "blobs") {
        add_tree(Kind::other, file);
        continue;
      }
      add(Kind::other, file, own_bytes(file));
      for (const auto& directory : children(file)) {
        add(Kind::other, directory, own_bytes(directory));
        for (const auto& blob : children(directory)) add_blob(blob);
      }
    }
  }

  void add_blob(const fs::path& file) {
    const auto name = file.filename().string();
    if (!sha256_from_hex(name)) {
      add_tree(Kind::partial, file);
      return;
    }
    // What no image has may be a document too; they are small.
    add_tree(documents_.contains(name) ? Kind::documents : Kind::layer, file).named = blobs_.contains(name);
  }

  void add_snapshots(const fs::path& directory) {
    constexpr std::string_view kTree = "tree-";
    add(Kind::other, directory, own_bytes(directory));
    for (const auto& file : children(directory)) {
      const auto name = file.filename().string();
      const bool is_tree = name.starts_with(kTree);
      if (!sha256_from_hex(is_tree ? name.substr(kTree.size()) : name)) {
        const bool unfinished = name.ends_with(".partial");
        add_tree(unfinished ? Kind::work : Kind::other, file);
        continue;
      }
      auto& item = add_tree(is_tree ? Kind::toolchain : Kind::snapshot, file);
      item.last_used = oci::time_of(file.string() + ".boot").value_or(0);
      item.named = !is_tree && diff_ids_.contains(name);
    }
  }

  void add_packages(const fs::path& directory) {
    static const std::set<std::string> kGroups = {"built", "md5", "pyc", "runtimes"};
    add(Kind::other, directory, own_bytes(directory));
    for (const auto& file : children(directory)) {
      if (kGroups.contains(file.filename().string()))
        add_children(Kind::package, file);
      else
        add_tree(Kind::package, file);
    }
  }

  const Store& store_;
  const std::stop_token& stop_;
  StoreUsage out_;
  std::unordered_set<std::string> blobs_;      // that a named image needs
  std::unordered_set<std::string> documents_;  // of those
  std::unordered_set<std::string> diff_ids_;   // of those
  std::set<std::pair<dev_t, ino_t>> seen_;     // files with several names
};

}  // namespace

bool StoreItem::can_go() const {
  switch (kind) {
    case Kind::layer:
      return !named;
    case Kind::snapshot:
    case Kind::toolchain:
    case Kind::package:
    case Kind::cache:
      return true;
    case Kind::documents:
    case Kind::tool:
    case Kind::record:
    case Kind::partial:  // 'gc' removes those that nobody holds; it may be continued until then
    case Kind::transfer:
    case Kind::work:
    case Kind::other:
      break;
  }
  return false;
}

std::string_view to_string(StoreItem::Kind kind) {
  switch (kind) {
    case Kind::documents:
      return "image documents";
    case Kind::layer:
      return "layers";
    case Kind::snapshot:
      return "unpacked layers";
    case Kind::toolchain:
      return "toolchains";
    case Kind::package:
      return "packages";
    case Kind::cache:
      return "caches";
    case Kind::tool:
      return "tools";
    case Kind::record:
      return "records";
    case Kind::partial:
      return "partial downloads";
    case Kind::transfer:
      return "transfers";
    case Kind::work:
      return "running builds";
    case Kind::other:
      break;
  }
  return "other";
}

std::uint64_t StoreUsage::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& item : items) sum += item.bytes;
  return sum;
}

StoreUsage measure_store(const Store& store, const std::stop_token& stop) {
  return Measurement(store, stop).run();
}

}  // namespace dash::builder
