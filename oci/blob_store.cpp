#include "oci/blob_store.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace dash::oci {

std::string BlobStore::read(const Descriptor& blob, std::uint64_t limit) const {
  const auto name = concat("blob ", blob.digest.to_string());
  if (blob.size > limit)
    throw Error(ErrorCode::corrupt, concat(name, " claims ", human_size(blob.size), "; at most ",
                                           human_size(limit), " are accepted for ", blob.media_type));
  const auto source = open(blob);
  return read_all(*source, limit, name);
}

Descriptor BlobStore::put(std::string_view bytes, std::string_view media_type) {
  const auto digest = Digest::of(bytes);
  if (!claim(digest)) {
    const auto writer = begin_write();
    writer->write(as_bytes(bytes));
    writer->commit(digest);
  }
  return {std::string(media_type), digest, bytes.size(), {}, std::nullopt};
}

VerifyingSource::VerifyingSource(std::unique_ptr<Source> next, Descriptor blob, std::string name)
    : next_(std::move(next)), blob_(std::move(blob)), name_(std::move(name)), left_(blob_.size) {}

std::size_t VerifyingSource::read(MutableBytes buffer) {
  if (buffer.empty()) return 0;
  if (left_ == 0) {
    check_end();
    return 0;
  }
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.size()));
  const auto count = next_->read(buffer.first(wanted));
  if (count == 0)
    throw Error(ErrorCode::corrupt,
                concat(name_, " is cut short: ", blob_.size - left_, " of ", blob_.size, " bytes are there"));
  hasher_.update(buffer.first(count));
  left_ -= count;
  if (left_ == 0) check_end();
  return count;
}

void VerifyingSource::check_end() {
  if (checked_) return;
  checked_ = true;
  const Digest found(hasher_.value());
  if (found != blob_.digest)
    throw Error(ErrorCode::corrupt, concat(name_, " does not match its digest: expected ",
                                           blob_.digest.to_string(), ", found ", found.to_string()));
}

}  // namespace dash::oci
