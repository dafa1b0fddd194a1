// The one way layers are made: entries → tar → diff id → compressor → digest and size → blob, in a single
// pass and bounded memory.
#pragma once

#include "oci/blob_store.hpp"
#include "oci/compression.hpp"
#include "oci/tar_writer.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dash::oci {

// Times of every entry are this, whatever the source says: 1980-01-01T00:00:00Z, the first date zip archives
// can hold, unless the caller (SOURCE_DATE_EPOCH) chooses another.
inline constexpr std::int64_t kDefaultEpoch = 315532800;

// Where layers go and how they look. The pool and the store must outlive the writer.
struct LayerSettings {
  BlobStore& store;
  ThreadPool& pool;
  Compression compression;
  std::int64_t mtime = kDefaultEpoch;
};

// Writes one layer. Entries must come in strictly ascending byte order of their paths, compared component by
// component as `layer_path_less` does (parents before children); a path out of order or twice is
// Error(internal). A whiteout takes its place in that order by its own name, ".wh.NAME". Any other entry
// whose name starts with ".wh." is Error(invalid_input): in a layer it would delete something.
// Parent directories that are not written are the caller's decision: none is invented.
// Hashing and writing the blob run on threads of the writer's own, and what fails there is thrown by a later
// call, at the latest by `finish`. Not thread-safe; must not be used inside a task of the pool (gzip waits
// for tasks). Destroying it unfinished stores nothing.
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
  // Adds the directories above `path` (0755, owner 0:0) that cannot have been written already, which are
  // those that are not above the last entry.
  void add_parents(std::string_view path);
  // "This path of the layers below is gone" (layer.md, "Whiteouts").
  void add_whiteout(std::string_view path);
  // "What the layers below have in this directory is hidden": call right after the directory's own entry (""
  // is the root: before any entry).
  void add_opaque_marker(std::string_view directory);

  // Bytes of tar so far, without the last block that is still being filled.
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
