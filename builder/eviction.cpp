#include "builder/eviction.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_facts.hpp"
#include "builder/step_record.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <tuple>

#include <boost/filesystem/directory.hpp>

namespace dash::builder {

Evictor::Evictor(Store& store)
    : store_(store),
      layout_(oci::lock_for_eviction(store.layout().directory())),
      snapshots_(oci::lock_for_eviction(store.snapshots())),
      oldest_lease_(oci::Lease::oldest(store.layout().directory())) {}

Removed Evictor::remove(const std::vector<StoreItem>& items,
                        const std::function<bool(const StoreItem& item)>& which) {
  Removed out;
  for (const auto& item : items) {
    if (!which(item)) continue;
    if (item.kind == StoreItem::Kind::snapshot || item.kind == StoreItem::Kind::toolchain) {
      // Used since it was measured? Nobody can start to now.
      const fs::path mark = item.path.string() + ".boot";
      if (oldest_lease_ && oci::time_of(mark).value_or(0) >= *oldest_lease_) continue;
      remove_tree(mark);
    } else if (oldest_lease_ && oci::time_of(item.path).value_or(0) >= *oldest_lease_) {
      continue;
    }
    if (!removed_) removed_.emplace(store_.work_directory());
    const auto place = removed_->path() / std::to_string(++count_);
    if (::rename(item.path.c_str(), place.c_str()) != 0) {
      if (errno == ENOENT) continue;
      throw system_error(concat("cannot remove ", item.path.string()), errno);
    }
    remove_tree(place);
    ++out.items;
    out.bytes += item.bytes;
  }
  return out;
}

Removed Evictor::remove_down_to(std::uint64_t limit, const StoreUsage& usage) {
  auto left = usage.bytes();
  if (left <= limit) return {};
  std::vector<StoreItem> candidates;
  std::ranges::copy_if(usage.items, std::back_inserter(candidates), &StoreItem::can_go);
  std::ranges::sort(candidates, [](const StoreItem& a, const StoreItem& b) {
    return std::tie(a.last_used, a.path) < std::tie(b.last_used, b.path);
  });
  Removed out;
  for (const auto& item : candidates) {
    if (left <= limit) break;
    const auto removed = remove({item}, [](const StoreItem&) { return true; });
    left -= std::min(left, removed.bytes);
    out.items += removed.items;
    out.bytes += removed.bytes;
  }
  if (out.items > 0) out.items += remove_records();
  return out;
}

std::uint64_t Evictor::remove_records() {
  std::set<std::string> used;  // what layers are known to be made of
  std::uint64_t removed = StepRecords(store_).remove_incomplete();
  removed += StepRecords(store_, kLayerRecords).remove_incomplete([&](const StepRecord& record) {
    for (const auto& leaf : record.leaves) used.insert(leaf.value);
  });
  boost::system::error_code absent;
  for (fs::directory_iterator file(store_.records() / kPackageRecords, absent), end; file != end; ++file) {
    if (used.contains(file->path().stem().string())) continue;
    // A running build may have it in mind for the layer that it is about to make.
    if (oldest_lease_ && oci::time_of(file->path()).value_or(0) >= *oldest_lease_) continue;
    remove_tree(file->path());
    ++removed;
  }
  return removed;
}

namespace {

// What the store takes, below `limit` if that can be.
std::uint64_t bring_down_to(Store& store, std::uint64_t limit, const std::stop_token& stop) {
  if (const auto used = measure_store(store, stop).bytes(); used <= limit) return used;
  Evictor evictor(store);
  const auto usage = measure_store(store, stop);
  const auto used = usage.bytes();
  return used - std::min(used, evictor.remove_down_to(limit, usage).bytes);
}

}  // namespace

void require_room(Store& store, const DiskSpace& needed, std::string_view purpose,
                  const std::stop_token& stop) {
  if (const auto quota = store.quota()) {
    const auto used = bring_down_to(store, *quota - std::min(*quota, needed.bytes), stop);
    if (used + needed.bytes > *quota)
      throw Error(ErrorCode::no_space,
                  concat("the store ", store.home().string(), " has a quota of ", human_size(*quota),
                         ", of which images and running builds use ", human_size(used), ", but ", purpose,
                         " needs about ", human_size(needed.bytes)))
          .with_hint(
              "set a larger quota, remove images with 'dash-build rm', or look at 'dash-build df' for what "
              "takes the space");
  }
  require_space(store.home(), needed, purpose);
}

std::uint64_t keep_quota(Store& store, const std::stop_token& stop) {
  if (!store.quota()) return 0;
  const auto used = bring_down_to(store, *store.quota(), stop);
  return used - std::min(used, *store.quota());
}

}  // namespace dash::builder
