// A blob in a stream that is read once.
#pragma once

#include "base/sha256.hpp"
#include "registry/blob_source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace dash::registry {

// Keeps what was read since the last mark, so that a receiver that lost it gets it again; going back further
// is Error(unsupported). `in` must outlive it.
class PassingBlob : public BlobSource {
 public:
  // `piece`: how much is kept at most.
  PassingBlob(Source& in, oci::Descriptor blob, std::string name, std::uint64_t piece)
      : in_(in), blob_(std::move(blob)), name_(std::move(name)), piece_(piece) {}

  std::size_t read(MutableBytes buffer) override;
  void seek(std::uint64_t offset) override;
  void mark() override;
  std::uint64_t position() const override { return position_; }
  std::uint64_t reach() const override { return piece_; }

  // Reads to the end, so that the stream stands behind the blob.
  void drain();
  // The same blob for an owner that does not outlive it.
  std::unique_ptr<BlobSource> borrow();

 private:
  void keep(Bytes bytes);

  Source& in_;
  oci::Descriptor blob_;
  std::string name_;
  std::uint64_t piece_;
  Sha256Hasher hasher_;
  std::uint64_t taken_ = 0;     // from the stream
  std::uint64_t position_ = 0;  // of the reader, behind `kept_from_`
  std::uint64_t kept_from_ = 0;
  std::vector<std::byte> kept_;  // [kept_from_, taken_) while somebody may go back
  enum class Keep { no, yes } keep_ = Keep::yes;
};

}  // namespace dash::registry
