// A blob on its way to somewhere: read in order, verified, able to go back when the receiver lost a part.
#pragma once

#include "oci/blob_store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace dash::registry {

// Reading its last byte throws Error(corrupt) unless size and digest are what the descriptor says, however
// often it went back before. Not thread-safe.
class BlobSource : public Source {
 public:
  // Continues at `offset`, which may lie before or behind the present position, at most at the blob's end.
  // Going back behind the last `mark` may cost reading everything before again.
  virtual void seek(std::uint64_t offset) = 0;
  // Makes this position cheap to come back to. Only the last mark counts.
  virtual void mark() = 0;
  virtual std::uint64_t position() const = 0;
  // How far behind a mark it can still go back to it.
  virtual std::uint64_t reach() const { return UINT64_MAX; }
  // After Error(corrupt): goes to the start of the same blob at another place. False when there is none.
  virtual bool start_elsewhere() { return false; }
};

// A blob of a content store, which must outlive it.
std::unique_ptr<BlobSource> open_stored(const oci::BlobStore& store, const oci::Descriptor& blob);

// A blob that can be opened at any offset without its digest being checked there; this checks it. What `open`
// gives throws when there is more than the blob's size. `name` says in messages where it comes from.
using OpenAt = std::function<std::unique_ptr<Source>(std::uint64_t offset)>;
std::unique_ptr<BlobSource> open_verified(OpenAt open, const oci::Descriptor& blob, std::string name);

}  // namespace dash::registry
