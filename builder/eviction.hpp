// Making room in a store: what can be made again goes, the least recently used first.
#pragma once

#include "builder/disk_space.hpp"
#include "builder/store.hpp"
#include "builder/store_usage.hpp"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

namespace dash::builder {

struct Removed {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

// While it lives nobody can start to use anything in the store: lookups and the beginning of builds wait.
class Evictor {
 public:
  explicit Evictor(Store& store);

  // When the oldest lease (oci/lease.hpp) of a running command began: what was used since then stays.
  std::optional<oci::FileTime> oldest_lease() const { return oldest_lease_; }
  // Removes those items for which `which` says so and which nobody uses; their order is theirs.
  Removed remove(const std::vector<StoreItem>& items,
                 const std::function<bool(const StoreItem& item)>& which);
  // The same of all that can go, the least recently used first, until `usage` is at most `limit` bytes.
  Removed remove_down_to(std::uint64_t limit, const StoreUsage& usage);
  // Records of layers that went.
  std::uint64_t remove_records();

 private:
  Store& store_;
  FileLock layout_;
  FileLock snapshots_;
  // What goes is moved here first, so that nothing is ever half there. Not made before it is needed: it takes
  // room itself.
  std::optional<TempDirectory> removed_;
  std::optional<oci::FileTime> oldest_lease_;
  std::size_t count_ = 0;
};

// Makes sure that the store has room for `needed` more: on its disk, and below its quota, for which it may
// have to remove something. Otherwise throws Error(no_space) with the figures. `purpose` completes
// "…, but PURPOSE needs about".
void require_room(Store& store, const DiskSpace& needed, std::string_view purpose,
                  const std::stop_token& stop);

// Brings the store below its quota as far as that goes; how many bytes are too many afterwards.
std::uint64_t keep_quota(Store& store, const std::stop_token& stop);

}  // namespace dash::builder
