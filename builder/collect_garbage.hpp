// Freeing space in the store: what no image, record or running build needs.
#pragma once

#include "builder/store.hpp"

#include <cstdint>
#include <optional>
#include <stop_token>

namespace dash::builder {

struct GarbageStats {
  std::uint64_t removed = 0;  // files and directories
  std::uint64_t bytes = 0;    // as far as they were counted: blobs and snapshots
};

// Roots are the names in the layout. Removed are: blobs they do not reach, snapshots of layers that are in
// none of their images, and records whose layers went. Downloaded packages, tools and caches stay: they cost
// a download again. Nothing happens, and nothing is returned, while a build holds a lease.
std::optional<GarbageStats> collect_garbage(Store& store, std::stop_token stop);

}  // namespace dash::builder
