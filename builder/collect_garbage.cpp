#include "builder/collect_garbage.hpp"

#include "builder/eviction.hpp"
#include "builder/store_usage.hpp"

#include <ctime>
#include <string>
#include <vector>

#include <boost/filesystem/directory.hpp>

namespace dash::builder {

namespace {

using Kind = StoreItem::Kind;

// Files and directories that are made beside their destination and renamed into place.
bool is_temporary(const fs::path& file) {
  const auto name = file.filename().string();
  return name.starts_with(".tmp-") || name.starts_with("tmp-");
}

std::vector<fs::path> temporaries(const Store& store) {
  std::vector<fs::path> directories = {store.home(),     store.layout().directory(),
                                       store.packages(), store.snapshots(),
                                       store.tools(),    store.records()};
  boost::system::error_code absent;  // people may remove most of a store
  for (const auto& parent : {store.packages(), store.records()})
    for (fs::directory_iterator file(parent, absent), end; file != end; ++file)
      if (fs::is_directory(file->symlink_status()) && !is_temporary(file->path()))
        directories.push_back(file->path());
  std::vector<fs::path> out;
  for (const auto& directory : directories)
    for (fs::directory_iterator file(directory, absent), end; file != end; ++file)
      if (is_temporary(file->path()) || file->path().extension() == ".partial") out.push_back(file->path());
  return out;
}

bool is_garbage(const StoreItem& item, oci::FileTime too_old) {
  switch (item.kind) {
    case Kind::snapshot:
      return !item.named;
    case Kind::toolchain:
    case Kind::package:
    case Kind::cache:
      return item.last_used < too_old;
    default:
      return false;
  }
}

}  // namespace

std::optional<GarbageStats> collect_garbage(Store& store, const GarbageOptions& options,
                                            std::stop_token stop) {
  Evictor evictor(store);
  if (evictor.oldest_lease()) return std::nullopt;
  const auto blobs = store.layout().collect_garbage({});
  if (!blobs) return std::nullopt;
  GarbageStats out{blobs->blobs, blobs->bytes};

  std::vector<StoreItem> left;
  for (const auto& file : temporaries(store)) left.push_back({Kind::work, file});
  out.removed += evictor.remove(left, [](const StoreItem&) { return true; }).items;

  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto too_old = oci::FileTime{now.tv_sec - options.older_than.count()} * 1'000'000'000 + now.tv_nsec;
  auto usage = measure_store(store, stop);
  const auto removed =
      evictor.remove(usage.items, [&](const StoreItem& item) { return is_garbage(item, too_old); });
  out.removed += removed.items + evictor.remove_records();
  out.bytes += removed.bytes;
  if (options.keep_bytes) {
    std::erase_if(usage.items, [&](const StoreItem& item) { return is_garbage(item, too_old); });
    const auto more = evictor.remove_down_to(*options.keep_bytes, usage);
    out.removed += more.items;
    out.bytes += more.bytes;
  }
  return out;
}

}  // namespace dash::builder
