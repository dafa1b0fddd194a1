// Where everything a build keeps lives: $DASH_BUILD_HOME (docs/formats/store.md).
#pragma once

#include "base/file.hpp"
#include "builder/layer_store.hpp"
#include "oci/image_layout.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dash::builder {

// Opens the store, making what is missing. Several processes may use one store at once.
class Store {
 public:
  // With a quota, builds keep what it takes on the disk below that many bytes (eviction.hpp).
  explicit Store(const fs::path& home, std::optional<std::uint64_t> quota = std::nullopt);

  const fs::path& home() const { return home_; }
  std::optional<std::uint64_t> quota() const { return quota_; }
  oci::ImageLayout& layout() { return layout_; }
  const oci::ImageLayout& layout() const { return layout_; }
  // Its blobs, and the layers that are in a registry and come when they are opened.
  LayerStore& layers() { return layers_; }
  const LayerStore& layers() const { return layers_; }

  fs::path snapshots() const { return home_ / "snapshots"; }  // unpacked layers, one directory per diff id
  fs::path packages() const { return home_ / "packages"; }    // downloaded and built distributions, by sha256
  fs::path records() const { return home_ / "records"; }      // StepRecords and other facts, JSON by key
  fs::path tools() const { return home_ / "tools"; }          // helper programs by name and version
  fs::path caches() const { return home_ / "caches"; }  // caches of helper programs; may vanish at any time
  fs::path work() const { return home_ / "work"; }      // directories of running builds

  // Whether the file or directory of packages() or caches() is there; it counts as used from now on.
  bool claim(const fs::path& item) const;

  // A directory for a running build below `work()`, removed on destruction. Leftovers of killed builds are
  // removed when the store is opened and nobody uses them.
  TempDirectory work_directory() const { return TempDirectory(work()); }

 private:
  fs::path home_;
  std::optional<std::uint64_t> quota_;

  FileLock in_use_;  // shared while the store is open; taken before anything else
  oci::ImageLayout layout_;
  LayerStore layers_;
};

}  // namespace dash::builder
