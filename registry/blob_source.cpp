#include "registry/blob_source.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <vector>

namespace dash::registry {

namespace {

// Reads up to `position`, so that what checks the content has seen everything before it.
void read_up_to(BlobSource& source, std::uint64_t position) {
  std::vector<std::byte> buffer(kStreamBlock);
  while (source.position() < position) {
    const auto wanted = std::min<std::uint64_t>(buffer.size(), position - source.position());
    if (source.read(MutableBytes(buffer).first(static_cast<std::size_t>(wanted))) == 0)
      throw Error(ErrorCode::internal,
                  concat("a blob was asked to continue at ", position, ", behind its end"));
  }
}

// The store's own source verifies from the start on, so going back means starting over.
class StoredBlob : public BlobSource {
 public:
  StoredBlob(const oci::BlobStore& store, oci::Descriptor blob)
      : store_(store), blob_(std::move(blob)), source_(store_.open(blob_)) {}

  std::size_t read(MutableBytes buffer) override {
    const auto count = source_->read(buffer);
    position_ += count;
    return count;
  }
  void seek(std::uint64_t offset) override {
    if (offset < position_) {
      source_ = store_.open(blob_);
      position_ = 0;
    }
    read_up_to(*this, offset);
  }
  void mark() override {}
  std::uint64_t position() const override { return position_; }

 private:
  const oci::BlobStore& store_;
  oci::Descriptor blob_;
  std::unique_ptr<Source> source_;
  std::uint64_t position_ = 0;
};

class VerifiedBlob : public BlobSource {
 public:
  VerifiedBlob(OpenAt open, oci::Descriptor blob, std::string name)
      : open_(std::move(open)), blob_(std::move(blob)), name_(std::move(name)) {}

  std::size_t read(MutableBytes buffer) override {
    if (buffer.empty()) return 0;
    if (!source_) source_ = open_(position_);
    const auto left = blob_.size - position_;
    if (left == 0) {
      if (!checked_) check();                 // an empty blob
      return source_->read(buffer.first(1));  // throws when there is more
    }
    const auto count =
        source_->read(buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))));
    if (count == 0)
      throw Error(ErrorCode::corrupt,
                  concat(name_, " is cut short: ", position_, " of ", blob_.size, " bytes are there"));
    hasher_.update(buffer.first(count));
    position_ += count;
    if (position_ == blob_.size) check();
    return count;
  }
  void seek(std::uint64_t offset) override {
    if (offset < position_) {
      const bool to_mark = marked_ && marked_at_ <= offset;
      hasher_ = to_mark ? marked_->clone() : Sha256Hasher();
      position_ = to_mark ? marked_at_ : 0;
      source_.reset();
      checked_ = false;
    }
    read_up_to(*this, offset);
  }
  void mark() override {
    marked_ = hasher_.clone();
    marked_at_ = position_;
  }
  std::uint64_t position() const override { return position_; }

 private:
  void check() {
    checked_ = true;
    const oci::Digest found(hasher_.clone().value());
    if (found != blob_.digest)
      throw Error(ErrorCode::corrupt, concat(name_, " does not match its digest: expected ",
                                             blob_.digest.to_string(), ", found ", found.to_string()));
  }

  OpenAt open_;
  oci::Descriptor blob_;
  std::string name_;
  std::unique_ptr<Source> source_;
  Sha256Hasher hasher_;
  std::uint64_t position_ = 0;
  bool checked_ = false;
  std::optional<Sha256Hasher> marked_;
  std::uint64_t marked_at_ = 0;
};

}  // namespace

std::unique_ptr<BlobSource> open_stored(const oci::BlobStore& store, const oci::Descriptor& blob) {
  return std::make_unique<StoredBlob>(store, blob);
}

std::unique_ptr<BlobSource> open_verified(OpenAt open, const oci::Descriptor& blob, std::string name) {
  return std::make_unique<VerifiedBlob>(std::move(open), blob, std::move(name));
}

}  // namespace dash::registry
