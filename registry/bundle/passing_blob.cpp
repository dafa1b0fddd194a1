#include "registry/bundle/passing_blob.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace dash::registry {

namespace {

class Borrowed : public BlobSource {
 public:
  explicit Borrowed(BlobSource& from) : from_(from) {}
  std::size_t read(MutableBytes buffer) override { return from_.read(buffer); }
  void seek(std::uint64_t offset) override { from_.seek(offset); }
  void mark() override { from_.mark(); }
  std::uint64_t position() const override { return from_.position(); }
  std::uint64_t reach() const override { return from_.reach(); }

 private:
  BlobSource& from_;
};

}  // namespace

std::size_t PassingBlob::read(MutableBytes buffer) {
  if (position_ < taken_) {  // again
    const auto from = Bytes(kept_).subspan(static_cast<std::size_t>(position_ - kept_from_));
    const auto count = std::min(from.size(), buffer.size());
    std::copy_n(from.begin(), count, buffer.begin());
    position_ += count;
    return count;
  }
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), blob_.size - taken_));
  if (wanted == 0) return 0;
  const auto count = in_.read(buffer.first(wanted));
  if (count == 0)
    throw Error(ErrorCode::corrupt,
                concat(name_, " is cut short: ", taken_, " of ", blob_.size, " bytes came"))
        .with_hint("send all of the bundle; the import continues where it stopped");
  const auto got = Bytes(buffer).first(count);
  hasher_.update(got);
  if (keep_ == Keep::yes) keep(got);
  taken_ += count;
  position_ = taken_;
  if (taken_ == blob_.size && oci::Digest(hasher_.clone().value()) != blob_.digest)
    throw Error(ErrorCode::corrupt, concat(name_, " does not match its digest"))
        .with_hint("copy the bundle again; the import continues where it stopped");
  return count;
}

void PassingBlob::keep(Bytes bytes) {
  if (kept_.capacity() == 0) kept_.reserve(static_cast<std::size_t>(std::min(blob_.size, piece_)));
  if (kept_.size() + bytes.size() <= piece_) {
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
  } else {  // nobody who reads this much at once can get it again
    kept_.clear();
    kept_from_ = taken_ + bytes.size();
  }
}

void PassingBlob::seek(std::uint64_t offset) {
  if (offset < kept_from_)
    throw Error(ErrorCode::unsupported,
                concat("the registry lost ", blob_.digest.to_string(), ", and a stream cannot be read again"))
        .with_hint("import again, or from a file");
  position_ = std::min(offset, taken_);
  std::vector<std::byte> buffer(kStreamBlock);
  while (position_ < offset) {
    // What the receiver has already is not asked for again.
    mark();
    const auto wanted = std::min<std::uint64_t>(buffer.size(), offset - position_);
    if (read(MutableBytes(buffer).first(static_cast<std::size_t>(wanted))) == 0) return;
  }
}

void PassingBlob::mark() {
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(position_ - kept_from_));
  kept_from_ = position_;
}

void PassingBlob::drain() {
  keep_ = Keep::no;
  position_ = taken_;
  kept_.clear();
  kept_from_ = taken_;
  std::vector<std::byte> buffer(kStreamBlock);
  while (read(buffer) != 0) kept_from_ = taken_;
}

std::unique_ptr<BlobSource> PassingBlob::borrow() {
  return std::make_unique<Borrowed>(*this);
}

}  // namespace dash::registry
