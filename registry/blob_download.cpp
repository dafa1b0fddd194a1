#include "registry/blob_download.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace dash::registry {

namespace {

constexpr std::uint64_t kProgressThatCounts = std::uint64_t{1} << 20;

class BlobDownload : public Source {
 public:
  BlobDownload(OpenBlob open, oci::Descriptor blob, std::uint64_t offset, const RetryPolicy& policy,
               std::stop_token stop)
      : open_(std::move(open)),
        blob_(std::move(blob)),
        position_(offset),
        policy_(policy),
        stop_(std::move(stop)),
        backoff_(policy) {
    connect();  // so that what is not there is known at once
  }

  std::size_t read(MutableBytes buffer) override {
    const auto left = blob_.size - position_;
    if (left == 0) {
      check_end();
      return 0;
    }
    for (;;) {
      try {
        if (!reply_) connect();
        const auto count = reply_->answer->read(
            buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))));
        if (count == 0 && !buffer.empty()) throw_short();
        position_ += count;
        since_failure_ += count;
        return count;
      } catch (const TransferError& error) {
        reply_.reset();
        if (since_failure_ >= kProgressThatCounts) backoff_.emplace(policy_);
        since_failure_ = 0;
        const auto wait = backoff_->next_after(error);
        if (!wait) throw;
        pause_for(*wait, stop_);
      }
    }
  }

 private:
  void connect() {
    reply_.emplace(open_(position_));
    const auto from_start = reply_->status() == 200;
    if (from_start && position_ > 0) skip_body(position_);  // ranges are optional for a registry
  }
  void skip_body(std::uint64_t count) {
    std::vector<std::byte> buffer(kStreamBlock);
    while (count > 0) {
      const auto got = reply_->answer->read(MutableBytes(buffer).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer.size()))));
      if (got == 0) throw_short();
      count -= got;
    }
  }
  [[noreturn]] void throw_short() const {
    throw Error(ErrorCode::corrupt,
                concat(reply_->shown(), ": the blob ends after ", position_, " of ", blob_.size, " bytes"));
  }
  void check_end() {
    if (!reply_) return;
    std::byte more{};
    const auto count = reply_->answer->read(MutableBytes(&more, 1));
    const auto shown = reply_->shown();
    reply_.reset();
    if (count > 0)
      throw Error(ErrorCode::corrupt, concat(shown, ": the blob is longer than ", blob_.size, " bytes"));
  }

  OpenBlob open_;
  oci::Descriptor blob_;
  std::uint64_t position_;
  const RetryPolicy& policy_;
  std::stop_token stop_;
  std::optional<Backoff> backoff_;
  std::optional<Reply> reply_;
  std::uint64_t since_failure_ = 0;
};

}  // namespace

std::unique_ptr<Source> download_blob(OpenBlob open, const oci::Descriptor& blob, std::uint64_t offset,
                                      const RetryPolicy& policy, std::stop_token stop) {
  return std::make_unique<BlobDownload>(std::move(open), blob, offset, policy, std::move(stop));
}

}  // namespace dash::registry
