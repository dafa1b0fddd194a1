// Content-addressed blobs: the interface that layers, manifests and configurations are written to and read
// from.
#pragma once

#include "base/stream.hpp"
#include "oci/descriptor.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dash::oci {

// One blob being written. Destroying it without `commit` removes what was written.
class BlobWriter : public Sink {
 public:
  // Makes the blob visible under `digest`, which the caller has computed over exactly the bytes written
  // (every pipeline here hashes on the way; the store does not hash again). Idempotent: a blob that exists
  // already stays as it is. Durable when it returns.
  virtual void commit(const Digest& digest) = 0;
};

// Implementations are safe to use from several threads and processes at once.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual bool contains(const Digest& digest) const = 0;
  // Opens a blob. The source checks size and digest: reading its last byte, or past it, throws
  // Error(corrupt) when the content is not what the descriptor says. Absent: Error(not_found).
  virtual std::unique_ptr<Source> open(const Descriptor& blob) const = 0;
  virtual std::unique_ptr<BlobWriter> begin_write() = 0;
  // Like `contains`, and from now on the blob counts as used: where a store removes what nobody uses, it
  // stays while the caller's lease lives (lease.hpp).
  virtual bool claim(const Digest& digest) const { return contains(digest); }
  // These will be opened soon: a store that has to get blobs from afar can get them side by side.
  virtual void expect(const std::vector<Descriptor>& blobs) const { static_cast<void>(blobs); }

  // The whole of a small blob, verified.
  std::string read(const Descriptor& blob, std::uint64_t limit) const;
  // Stores bytes that are in memory.
  Descriptor put(std::string_view bytes, std::string_view media_type);
};

// Reads `next` and throws Error(corrupt) unless it is exactly what `blob` says. Reads no byte past the size.
class VerifyingSource : public Source {
 public:
  VerifyingSource(std::unique_ptr<Source> next, Descriptor blob, std::string name);
  std::size_t read(MutableBytes buffer) override;

 private:
  void check_end();
  std::unique_ptr<Source> next_;
  Descriptor blob_;
  std::string name_;
  Sha256Hasher hasher_;
  std::uint64_t left_;
  bool checked_ = false;
};

}  // namespace dash::oci
