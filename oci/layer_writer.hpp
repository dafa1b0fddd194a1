// The one way layers are made: entries → tar → diff id → compressor → digest and size → blob, in a single
// pass and bounded memory.
#pragma once

#include "oci/blob_store.hpp"
#include "oci/compression.hpp"
#include "oci/tar_writer.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>

namespace dash::oci {

// Times of every entry are this, whatever the source says: 1980-01-01T00:00:00Z, the first date zip archives
// can hold, unless the caller (SOURCE_DATE_EPOCH) chooses another.
inline constexpr std::int64_t kDefaultEpoch = 315532800;

// What it costs to make layers: where they go and how they look.
struct LayerSettings {
  BlobStore& store;
  ThreadPool& pool;
  Compression compression;
  std::int64_t mtime = kDefaultEpoch;
};

// Writes one layer. Entries must come in strictly ascending byte order of their paths, compared component by
// component as `layer_path_less` does (parents before children); a path out of order or twice is
// Error(internal). Parent directories that are not written are the caller's decision: none is invented. Not
// thread-safe. Destroying it unfinished stores nothing.
class LayerWriter {
 public:
  explicit LayerWriter(const LayerSettings& settings);
  ~LayerWriter();
  LayerWriter(const LayerWriter&) = delete;
  LayerWriter& operator=(const LayerWriter&) = delete;

  // The entry's mtime is replaced by the settings'.
  void begin(TarEntry entry);
  void write(Bytes content);
  void add(TarEntry entry, Bytes content = {});
  MutableBytes buffer(std::size_t wanted);
  void commit_buffer(std::size_t count);
  // "This path of the layers below is gone" (layer.md, "Whiteouts").
  void add_whiteout(std::string_view path);
  // "What the layers below have in this directory is hidden": call right after the directory's own entry.
  void add_opaque_marker(std::string_view directory);

  // Bytes of tar written so far.
  std::uint64_t tar_bytes() const;
  // Completes the layer and its blob. A layer without entries is a valid empty tar.
  Layer finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Order of entries in a layer: by bytes, with '/' before every other byte, so that a directory's content
// follows it.
bool layer_path_less(std::string_view a, std::string_view b);

}  // namespace dash::oci
