// Unpacked layers, ready to be lower directories of an overlay mount, and other trees worth keeping.
#pragma once

#include "base/file.hpp"
#include "oci/blob_store.hpp"
#include "oci/descriptor.hpp"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace dash::builder {

// One directory per diff id, unpacked at most once however many builds (threads or processes) ask for it at
// the same time. A directory appears complete and verified, or not at all; what a killed build left behind is
// removed by the next one that wants the same snapshot. Snapshots are a cache and not synced to disk: each is
// marked with the run of the kernel that made it, and made anew after a restart. The mark's time says when it
// was used last. Safe
// to use from several threads.
class Snapshots {
 public:
  // Called before a layer is unpacked with about the room it takes, by one thread at a time; throws when
  // there is none.
  using RequireRoom = std::function<void(std::uint64_t bytes)>;

  // `directory` is made when missing; `blobs` must outlive this object.
  Snapshots(const fs::path& directory, const oci::BlobStore& blobs, RequireRoom require_room = {});

  // The layer as a tree in overlay form (whiteouts are 0/0 devices). Error(corrupt) when blob or diff id do
  // not match.
  fs::path layer(const oci::Layer& layer, std::stop_token stop);
  // The same for each of several: blobs that are far away are brought here together, and what is missing is
  // unpacked side by side. The first failure stops the others and is thrown.
  std::vector<fs::path> layers(const std::vector<oci::Layer>& layers, std::stop_token stop);
  // The same, if it is there already.
  std::optional<fs::path> find_layer(const oci::DiffId& diff_id) const;

  // A tree kept under a key of any form (a toolchain, by what it is made from).
  std::optional<fs::path> find_tree(std::string_view key) const;
  // Moves `tree`, which must be on the same file system, to the place of `key`. When somebody else was
  // faster theirs stays, and `tree` is left where it is. Returns the kept tree.
  fs::path keep_tree(std::string_view key, const fs::path& tree);

 private:
  fs::path path_of_tree(std::string_view key) const;
  std::optional<fs::path> claim(const fs::path& tree) const;
  FileLock lock(const fs::path& snapshot, std::stop_token stop) const;

  fs::path directory_;
  const oci::BlobStore& blobs_;
  RequireRoom require_room_;
  std::mutex room_;
};

// Unpacks layers on a thread of its own while something else is done: commands will soon run over them. What
// fails, or was not begun when the object goes, is left to whoever asks for the layers.
class UnpackAhead {
 public:
  UnpackAhead(Snapshots& snapshots, std::vector<oci::Layer> layers);
  ~UnpackAhead();  // stops
  UnpackAhead(const UnpackAhead&) = delete;
  UnpackAhead& operator=(const UnpackAhead&) = delete;

 private:
  std::jthread thread_;
};

}  // namespace dash::builder
