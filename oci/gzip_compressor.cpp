#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/compressors.hpp"

#include <algorithm>
#include <deque>
#include <future>
#include <utility>
#include <vector>

#include <libdeflate.h>

namespace dash::oci {

namespace {

// Input of one member, the memory to compress it in, and the result.
class Member {
 public:
  explicit Member(int level) : compressor_(libdeflate_alloc_compressor(level)) {
    if (!compressor_) throw Error(ErrorCode::internal, "gzip compression cannot start: out of memory");
    input_.reserve(kGzipMember);
    output_.resize(libdeflate_gzip_compress_bound(compressor_.get(), kGzipMember));
  }

  bool full() const { return input_.size() == kGzipMember; }
  void clear() { input_.clear(); }

  // Takes what fits and returns the rest.
  Bytes take(Bytes bytes) {
    const auto part = bytes.first(std::min(bytes.size(), kGzipMember - input_.size()));
    input_.insert(input_.end(), part.begin(), part.end());
    return bytes.subspan(part.size());
  }

  // The header libdeflate writes has no time and no name, and says "unknown" for the operating system.
  void compress() {
    size_ = libdeflate_gzip_compress(compressor_.get(), input_.data(), input_.size(), output_.data(),
                                     output_.size());
    if (size_ == 0)
      throw Error(ErrorCode::internal, "gzip compression failed: the output does not fit its bound");
  }
  Bytes output() const { return Bytes(output_).first(size_); }

 private:
  struct Free {
    void operator()(libdeflate_compressor* compressor) const { libdeflate_free_compressor(compressor); }
  };
  std::unique_ptr<libdeflate_compressor, Free> compressor_;
  std::vector<std::byte> input_;
  std::vector<std::byte> output_;
  std::size_t size_ = 0;
};

class GzipCompressor : public FinishSink {
 public:
  GzipCompressor(int level, Sink& next, ThreadPool& pool)
      : next_(next), pool_(pool), level_(level), filling_(std::make_unique<Member>(level)) {}

  // The pool works on memory of this object.
  ~GzipCompressor() override {
    for (auto& [member, done] : running_)
      if (done.valid()) done.wait();
  }
  GzipCompressor(const GzipCompressor&) = delete;
  GzipCompressor& operator=(const GzipCompressor&) = delete;

  void write(Bytes bytes) override {
    while (!bytes.empty()) {
      if (filling_->full()) hand_over();
      bytes = filling_->take(bytes);
    }
  }

  void finish() override {
    // The last member (the only one of a short stream, empty for no input) is compressed right here, while
    // the pool is at those before it.
    filling_->compress();
    while (!running_.empty()) pass_on_first();
    next_.write(filling_->output());
  }

 private:
  struct Running {
    std::unique_ptr<Member> member;
    std::future<void> done;
  };

  // Every worker busy, and one member ready for whoever is done first.
  std::size_t most_running() const { return pool_.threads() + std::size_t{1}; }

  void hand_over() {
    auto done = pool_.submit([member = filling_.get()] { member->compress(); });
    running_.push_back({std::move(filling_), std::move(done)});
    if (running_.size() > most_running()) pass_on_first();
    if (spare_.empty()) {
      filling_ = std::make_unique<Member>(level_);
    } else {
      filling_ = std::move(spare_.back());
      spare_.pop_back();
    }
  }

  void pass_on_first() {
    auto& [member, done] = running_.front();
    done.get();
    next_.write(member->output());
    member->clear();
    spare_.push_back(std::move(member));
    running_.pop_front();
  }

  Sink& next_;
  ThreadPool& pool_;
  int level_;
  std::unique_ptr<Member> filling_;
  std::deque<Running> running_;  // in the order of the input
  std::vector<std::unique_ptr<Member>> spare_;
};

}  // namespace

std::unique_ptr<FinishSink> make_gzip_compressor(int level, Sink& next, ThreadPool& pool) {
  return std::make_unique<GzipCompressor>(level, next, pool);
}

std::string gzip_framing() {
  return concat("libdeflate ", LIBDEFLATE_VERSION_STRING, ", members of ", kGzipMember, " bytes");
}

}  // namespace dash::oci
