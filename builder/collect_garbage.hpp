// Freeing space in the store: what no image, record or running build needs.
#pragma once

#include "builder/store.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

namespace dash::builder {

struct GarbageStats {
  std::uint64_t removed = 0;  // files and directories
  std::uint64_t bytes = 0;    // as far as they were counted: not records
};

struct GarbageOptions {
  // Toolchains, packages and caches cost a download again: they go when nothing used them for so long.
  std::chrono::seconds older_than = std::chrono::hours(24 * 30);
  // Then, of all that can be made again, what was used least recently, until the store takes no more.
  std::optional<std::uint64_t> keep_bytes;
};

// Roots are the names in the layout. Removed are: blobs they do not reach, snapshots of layers that are in
// none of their images, what killed builds left, what `options` say, and records whose layers went. Nothing
// happens, and nothing is returned, while a build holds a lease.
std::optional<GarbageStats> collect_garbage(Store& store, const GarbageOptions& options,
                                            std::stop_token stop);

}  // namespace dash::builder
