#include "builder/sandbox/snapshots.hpp"

#include "base/background_source.hpp"
#include "base/error.hpp"
#include "base/sha256.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "oci/compression.hpp"
#include "oci/extract.hpp"
#include "oci/lease.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace dash::builder {

namespace {

// Changes when layers are unpacked otherwise.
constexpr std::string_view kFormat = "2";

// Names the format and the run of the kernel: data that was written in this run is read back as it was
// written, whether it has reached the disk or not.
std::string marker() {
  return concat(kFormat, ' ', trim(read_file("/proc/sys/kernel/random/boot_id")));
}

fs::path marker_of(const fs::path& tree) {
  return tree.string() + ".boot";
}

// A finished tree, unless a restart of the machine may have lost part of it.
std::optional<fs::path> if_usable(const fs::path& tree) {
  boost::system::error_code ignored;
  if (!fs::is_directory(tree, ignored)) return std::nullopt;
  const auto found = read_file_if_exists(marker_of(tree));
  return found && trim(*found) == marker() ? std::optional(tree) : std::nullopt;
}

// Renames a finished tree into place. Syncing thousands of files costs more than unpacking them; instead the
// tree is marked with the run of the kernel that made it and is made anew after a restart.
void publish(const fs::path& tree, const fs::path& destination) {
  remove_tree(destination);  // of an earlier run of the kernel
  write_file_atomic(marker_of(destination), marker() + '\n');
  if (::rename(tree.c_str(), destination.c_str()) != 0)
    throw system_error(concat("cannot move ", tree.string(), " to ", destination.string()), errno);
}

// No layer of an image that anybody uses unpacks to more than this many times its size, unless it is small.
constexpr std::uint64_t kMaxRatio = 300;
constexpr std::uint64_t kAlwaysAllowed = std::uint64_t{4} << 30;

// How many times their size layers usually unpack to, generously.
constexpr std::uint64_t kUsualRatio = 4;

// Layers that are unpacked at once. Each has a thread that inflates and one that makes files, which is what
// takes long and what several threads can do at once.
constexpr unsigned kUnpackers = 2;

// Unpacks the layer's blob while checking it against both of its digests. Inflating and hashing have a thread
// of their own beside the one that writes files.
void unpack(const oci::BlobStore& blobs, const oci::Layer& layer, const fs::path& directory,
            std::stop_token stop) {
  const auto name = concat("layer ", layer.blob.digest.to_string());
  const auto tar = oci::make_decompressor(blobs.open(layer.blob), name);
  HashingSource hashed(*tar);
  BackgroundSource source(hashed);
  oci::ExtractOptions options;
  options.whiteouts = oci::ExtractOptions::Whiteouts::overlay;
  options.max_bytes = std::min(options.max_bytes, std::max(kAlwaysAllowed, kMaxRatio * layer.blob.size));
  oci::extract_layer(source, directory, name, options, stop);
  // A snapshot is found by its diff id, so a configuration that claims a wrong one must not plant its layer
  // there.
  if (const oci::DiffId found{hashed.value()}; found != layer.diff_id)
    throw Error(ErrorCode::corrupt,
                concat(name, " does not have the diff id that its image claims: expected ",
                       layer.diff_id.to_string(), ", found ", found.to_string()))
        .with_hint("the image is damaged or was put together wrongly; get it again from where it came from");
}

}  // namespace

Snapshots::Snapshots(const fs::path& directory, const oci::BlobStore& blobs, RequireRoom require_room)
    : directory_(directory), blobs_(blobs), require_room_(std::move(require_room)) {
  make_directories(directory_);
}

// Lock files are beside the snapshots; they are never removed, because a lock on a removed file protects
// nothing.
FileLock Snapshots::lock(const fs::path& snapshot, std::stop_token stop) const {
  const fs::path file = snapshot.string() + ".lock";
  for (;;) {
    if (auto held = FileLock::try_acquire(file, FileLock::Kind::exclusive)) return std::move(*held);
    if (stop.stop_requested())
      throw Error(ErrorCode::canceled, "stopped while another build unpacked the same layer");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// A finished tree; it counts as used from now on.
std::optional<fs::path> Snapshots::claim(const fs::path& tree) const {
  const auto held = oci::lock_out_eviction(directory_);
  auto found = if_usable(tree);
  if (found) oci::mark_used(marker_of(tree));
  return found;
}

std::optional<fs::path> Snapshots::find_layer(const oci::DiffId& diff_id) const {
  return claim(directory_ / diff_id.hex());
}

fs::path Snapshots::layer(const oci::Layer& layer, std::stop_token stop) {
  if (auto found = find_layer(layer.diff_id)) return *found;
  const auto destination = directory_ / layer.diff_id.hex();
  const auto held = lock(destination, stop);
  if (auto found = find_layer(layer.diff_id)) return *found;
  if (require_room_) {
    const std::lock_guard one_at_a_time(room_);
    require_room_(kUsualRatio * layer.blob.size);
  }
  const fs::path partial = destination.string() + ".partial";
  remove_tree(partial);  // of a build that was killed: whoever holds the lock is alone
  make_directories(partial);
  try {
    unpack(blobs_, layer, partial, stop);
    publish(partial, destination);
  } catch (...) {
    try {
      remove_tree(partial);
    } catch (const Error&) {  // the first failure is the one to report
    }
    throw;
  }
  return destination;
}

std::vector<fs::path> Snapshots::layers(const std::vector<oci::Layer>& layers, std::stop_token stop) {
  std::vector<fs::path> out(layers.size());
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (auto found = find_layer(layers[i].diff_id))
      out[i] = std::move(*found);
    else
      missing.push_back(i);
  }
  if (missing.empty()) return out;
  std::vector<oci::Descriptor> blobs;
  for (const auto i : missing) blobs.push_back(layers[i].blob);
  blobs_.expect(blobs);
  // The largest first, so that none is left alone at the end.
  std::ranges::stable_sort(missing, std::greater(), [&](std::size_t i) { return layers[i].blob.size; });
  ThreadPool unpackers(kUnpackers);
  TaskGroup group(stop);
  group.for_each(unpackers, missing.size(),
                 [&](std::size_t i) { out[missing[i]] = layer(layers[missing[i]], group.stop()); });
  return out;
}

fs::path Snapshots::path_of_tree(std::string_view key) const {
  return directory_ / concat("tree-", to_hex(sha256(key)));
}

std::optional<fs::path> Snapshots::find_tree(std::string_view key) const {
  return claim(path_of_tree(key));
}

fs::path Snapshots::keep_tree(std::string_view key, const fs::path& tree) {
  const auto destination = path_of_tree(key);
  const auto held = lock(destination, {});
  if (!claim(destination)) publish(tree, destination);
  return destination;
}

UnpackAhead::UnpackAhead(Snapshots& snapshots, std::vector<oci::Layer> layers)
    : thread_([&snapshots, layers = std::move(layers)](const std::stop_token& stop) {
        try {
          snapshots.layers(layers, stop);
        } catch (const std::exception&) {  // told to who needs the layers
        }
      }) {}

UnpackAhead::~UnpackAhead() = default;

}  // namespace dash::builder
