#include "oci/overlay_store.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace dash::oci {

Descriptor OverlayStore::add(std::string bytes, std::string_view media_type) {
  const auto digest = Digest::of(bytes);
  const auto size = bytes.size();
  documents_.insert_or_assign(digest, std::move(bytes));
  return {std::string(media_type), digest, size, {}, std::nullopt};
}

bool OverlayStore::contains(const Digest& digest) const {
  return documents_.contains(digest) || below_->contains(digest);
}

std::unique_ptr<Source> OverlayStore::open(const Descriptor& blob) const {
  const auto found = documents_.find(blob.digest);
  if (found == documents_.end()) return below_->open(blob);
  return std::make_unique<VerifyingSource>(std::make_unique<MemorySource>(found->second), blob,
                                           concat("document ", blob.digest.to_string()));
}

std::unique_ptr<BlobWriter> OverlayStore::begin_write() {
  throw Error(ErrorCode::internal, "an overlay of documents can only be read");
}

}  // namespace dash::oci
