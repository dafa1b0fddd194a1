#include "builder/collect_garbage.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/step_record.hpp"

#include <set>

#include <boost/filesystem/directory.hpp>

namespace dash::builder {

namespace {

std::uint64_t tree_bytes(const fs::path& directory) {
  std::uint64_t sum = 0;
  boost::system::error_code ignored;
  for (fs::recursive_directory_iterator
           entry(directory, fs::directory_options::skip_permission_denied, ignored),
       end;
       entry != end; entry.increment(ignored))
    if (fs::is_regular_file(fs::symlink_status(entry->path(), ignored)))
      sum += fs::file_size(entry->path(), ignored);
  return sum;
}

std::set<std::string> diff_ids_in_use(const oci::ImageLayout& layout) {
  std::set<std::string> out;
  for (const auto& entry : layout.index().manifests)
    for (const auto& id : layout.load(entry).config.diff_ids) out.insert(id.hex());
  return out;
}

// Records of layers that went, and what is known of packages that are in no layer any more.
std::uint64_t remove_package_records(Store& store) {
  std::set<std::string> used;
  std::uint64_t removed = StepRecords(store, kLayerRecords).remove_incomplete([&](const StepRecord& record) {
    for (const auto& leaf : record.leaves) used.insert(leaf.value);
  });
  boost::system::error_code absent;
  for (fs::directory_iterator file(store.records() / "packages", absent), end; file != end; ++file) {
    if (used.contains(file->path().stem().string())) continue;
    remove_tree(file->path());
    ++removed;
  }
  return removed;
}

}  // namespace

std::optional<GarbageStats> collect_garbage(Store& store, std::stop_token stop) {
  const auto blobs = store.layout().collect_garbage({});
  if (!blobs) return std::nullopt;
  GarbageStats out{blobs->blobs, blobs->bytes};

  const auto used = diff_ids_in_use(store.layout());
  for (const auto& snapshot : fs::directory_iterator(store.snapshots())) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "garbage collection was stopped");
    const auto name = snapshot.path().filename().string();
    if (!sha256_from_hex(name) || used.contains(name)) continue;
    out.bytes += tree_bytes(snapshot.path());
    remove_tree(snapshot.path());
    ++out.removed;
  }
  out.removed += StepRecords(store).remove_incomplete();
  out.removed += remove_package_records(store);
  return out;
}

}  // namespace dash::builder
