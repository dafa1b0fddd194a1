// What takes how much of a store's disk, and when it was used last.
#pragma once

#include "builder/store.hpp"
#include "oci/lease.hpp"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

namespace dash::builder {

// One thing that is kept or removed as a whole.
struct StoreItem {
  enum class Kind {
    documents,  // manifests and configurations of images
    layer,
    snapshot,   // an unpacked layer
    toolchain,  // an unpacked tree that is in no image
    package,    // a downloaded or built distribution, byte code of one, a runtime archive
    cache,      // of a helper program
    tool,
    record,
    partial,   // a blob that is being written, or was when somebody was stopped
    transfer,  // uploads that were not finished, and what registries are known to have
    work,      // of a running build
    other
  };
  Kind kind = Kind::other;
  fs::path path;
  std::uint64_t bytes = 0;
  oci::FileTime last_used = 0;
  // Blobs and snapshots: whether an image that has a name needs it.
  bool named = false;

  // Whether a build could make or fetch it again: what a quota removes.
  bool can_go() const;
  // That, and what only `gc` removes.
  bool is_reclaimable() const { return can_go() || kind == Kind::partial; }
};

// "layers", "downloads and uploads": as people and JSON read it.
std::string_view to_string(StoreItem::Kind kind);

struct StoreUsage {
  std::vector<StoreItem> items;
  std::uint64_t images = 0;  // names
  std::uint64_t bytes() const;
};

// Bytes are what files and directories take on the disk (st_blocks); a file with several names counts once.
// What vanishes meanwhile is not counted.
StoreUsage measure_store(const Store& store, const std::stop_token& stop);

}  // namespace dash::builder
