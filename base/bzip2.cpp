#include "base/bzip2.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <bzlib.h>

namespace dash {
namespace {

// The format has no specification of its own; numbers are from bzip2's decompress.c. A stream is "BZh" and
// a digit, blocks of 48 bits of magic, 32 of CRC and what they hold, then another magic and the stream's CRC;
// only streams begin at whole bytes.
constexpr std::uint64_t kBlock = 0x314159265359;
constexpr std::uint64_t kEnd = 0x177245385090;
constexpr unsigned kMagicBits = 48;
constexpr unsigned kCrcBits = 32;
constexpr std::string_view kStream = "BZh";
constexpr unsigned kStreamBits = 32;
constexpr std::size_t kBlockUnit = 100'000;  // times the digit: how much a block holds, before runs grow
// 900,000 symbols of at most 20 bits, and their tables.
constexpr std::uint64_t kMaxBlockBits = std::uint64_t{4} << 23;
// Runs can make a block fifty times as large: then few are decoded ahead.
constexpr std::size_t kUsualBlock = 40 * kBlockUnit;

using Buffer = std::vector<std::byte>;

// A file's bits: the first of a byte is its highest.
class Bits {
 public:
  explicit Bits(Bytes bytes) : bytes_(bytes) {}

  std::uint64_t size() const { return std::uint64_t{bytes_.size()} * 8; }

  // Up to 48 bits; 0 past the end.
  std::uint64_t read(std::uint64_t at, unsigned count) const {
    std::uint64_t out = 0;
    const std::uint64_t first = at / 8;
    for (std::uint64_t i = first; i < first + 7; ++i)
      out = (out << 8U) | (i < bytes_.size() ? std::to_integer<std::uint64_t>(bytes_[i]) : 0U);
    return (out >> (56U - at % 8 - count)) & ((std::uint64_t{1} << count) - 1);
  }

  // Where the next magic of either kind is, or the end.
  std::uint64_t find_magic(std::uint64_t from) const {
    // A magic covers the whole third byte after the one it begins in, which rules out most places.
    static const auto kPlaces = third_bytes();
    for (std::uint64_t i = from / 8; i + 2 < bytes_.size(); ++i) {
      unsigned shifts = kPlaces[std::to_integer<std::size_t>(bytes_[i + 2])];
      for (; shifts != 0; shifts &= shifts - 1) {
        const std::uint64_t at = i * 8 + static_cast<unsigned>(std::countr_zero(shifts));
        if (at < from || at + kMagicBits > size()) continue;
        if (const auto magic = read(at, kMagicBits); magic == kBlock || magic == kEnd) return at;
      }
    }
    return size();
  }

  // With zeros up to a whole byte.
  void copy(std::uint64_t begin, std::uint64_t end, Buffer& out) const {
    const auto shift = static_cast<unsigned>(begin % 8);
    for (; begin + 8 <= end; begin += 8) {
      const auto byte = std::to_integer<unsigned>(bytes_[begin / 8]) << shift;
      const auto next = shift == 0 ? 0U : std::to_integer<unsigned>(bytes_[begin / 8 + 1]) >> (8 - shift);
      out.push_back(static_cast<std::byte>(byte | next));
    }
    const auto count = static_cast<unsigned>(end - begin);
    if (count > 0) out.push_back(static_cast<std::byte>(read(begin, count) << (8 - count)));
  }

 private:
  // For each value of a byte, the shifts at which it is a magic's third.
  static std::array<std::uint8_t, 256> third_bytes() {
    std::array<std::uint8_t, 256> out{};
    for (unsigned shift = 0; shift < 8; ++shift)
      for (const std::uint64_t magic : {kBlock, kEnd})
        out[(magic >> (kMagicBits - 24 + shift)) & 0xffU] |= static_cast<std::uint8_t>(1U << shift);
    return out;
  }

  Bytes bytes_;
};

void append_bits(Buffer& out, unsigned& used, std::uint64_t value, unsigned count) {
  while (count-- > 0) {
    if (used == 0) out.push_back(std::byte{0});
    if (((value >> count) & 1U) != 0) out.back() |= std::byte{0x80} >> used;
    used = (used + 1) % 8;
  }
}

struct Range {
  std::uint64_t begin = 0;  // of the magic, in bits
  std::uint64_t end = 0;
  char level = '9';
};

// The block as a stream of its own, which libbz2 decodes; nothing when it is damaged, or no whole block.
std::optional<Buffer> decode(const Bits& bits, const Range& block) {
  if (block.end - block.begin > kMaxBlockBits) return std::nullopt;
  Buffer in;
  in.reserve((block.end - block.begin) / 8 + 32);
  const std::string start = concat(kStream, block.level);
  in.insert(in.end(), as_bytes(start).begin(), as_bytes(start).end());
  bits.copy(block.begin, block.end, in);
  auto used = static_cast<unsigned>((block.end - block.begin) % 8);
  append_bits(in, used, kEnd, kMagicBits);
  append_bits(in, used, bits.read(block.begin + kMagicBits, kCrcBits), kCrcBits);

  bz_stream stream{};
  if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) throw Error(ErrorCode::internal, "out of memory");
  Buffer out(kBlockUnit * static_cast<std::size_t>(block.level - '0') + kBlockUnit);
  stream.next_in = reinterpret_cast<char*>(in.data());
  stream.avail_in = static_cast<unsigned>(in.size());
  std::size_t size = 0;
  int result = BZ_OK;
  while (result == BZ_OK) {
    if (size == out.size()) out.resize(2 * size);
    stream.next_out = reinterpret_cast<char*>(out.data() + size);
    stream.avail_out = static_cast<unsigned>(out.size() - size);
    const bool was_all_given = stream.avail_in == 0;
    result = BZ2_bzDecompress(&stream);
    const std::size_t now = out.size() - stream.avail_out;
    if (result == BZ_OK && was_all_given && now == size) result = BZ_UNEXPECTED_EOF;
    size = now;
  }
  const bool whole = result == BZ_STREAM_END && stream.avail_in == 0;
  BZ2_bzDecompressEnd(&stream);
  if (!whole) return std::nullopt;
  out.resize(size);
  return out;
}

// Blocks that are decoded by whoever comes first.
class Block {
 public:
  Block(Bits bits, Range range) : bits_(bits), range_(range) {}

  const Range& range() const { return range_; }

  // Unless somebody else does it, or it is not wanted any more.
  void work() noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (state_ != State::waiting) return;
      state_ = State::running;
    }
    std::optional<Buffer> content;
    std::exception_ptr failure;
    try {
      content = decode(bits_, range_);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    content_ = std::move(content);
    failure_ = failure;
    state_ = State::done;
    changed_.notify_all();
  }

  bool is_done() {
    const std::lock_guard lock(mutex_);
    return state_ == State::done;
  }

  std::optional<Buffer> get() {
    work();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ == State::done; });
    if (failure_) std::rethrow_exception(failure_);
    return std::move(content_);
  }

  // Afterwards nobody looks at the file for it.
  void cancel() {
    std::unique_lock lock(mutex_);
    if (state_ == State::waiting) state_ = State::done;
    changed_.wait(lock, [this] { return state_ == State::done; });
  }

 private:
  enum class State { waiting, running, done };

  const Bits bits_;
  const Range range_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::waiting;
  std::optional<Buffer> content_;
  std::exception_ptr failure_;
};

class Bzip2Source : public Source {
 public:
  Bzip2Source(Bytes file, std::string name, ThreadPool* pool)
      : bits_(file), name_(std::move(name)), pool_(pool) {
    if (!begin_stream()) fail("it does not begin as bzip2 files do");
  }
  ~Bzip2Source() override { forget_parts(); }
  Bzip2Source(const Bzip2Source&) = delete;
  Bzip2Source& operator=(const Bzip2Source&) = delete;

  std::size_t read(MutableBytes buffer) override {
    if (buffer.empty()) return 0;
    while (used_ == content_.size())
      if (!next()) return 0;
    const std::size_t count = std::min(buffer.size(), content_.size() - used_);
    std::copy_n(content_.data() + used_, count, buffer.data());
    used_ += count;
    return count;
  }

 private:
  // A block, or the end of a stream.
  struct Part {
    std::shared_ptr<Block> block;
    std::uint32_t crc = 0;  // of the stream
  };

  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::corrupt, concat(name_, " is damaged: ", what));
  }

  std::size_t most_parts() const {
    return pool_ == nullptr || content_.size() > kUsualBlock ? 1 : std::size_t{pool_->threads()} + 2;
  }

  bool begin_stream() {
    const std::uint64_t start = bits_.read(at_, kStreamBits);
    const char level = static_cast<char>(start & 0xffU);
    for (std::size_t i = 0; i < kStream.size(); ++i)
      if (((start >> (24 - 8 * i)) & 0xffU) != static_cast<unsigned char>(kStream[i])) return false;
    if (level < '1' || level > '9') return false;
    level_ = level;
    at_ += kStreamBits;
    return true;
  }

  void look_ahead() {
    while (!ended_ && parts_.size() < most_parts()) {
      const std::uint64_t magic = at_ + kMagicBits <= bits_.size() ? bits_.read(at_, kMagicBits) : 0;
      if (magic == kBlock) {
        const std::uint64_t end = bits_.find_magic(at_ + kMagicBits);
        parts_.push_back({std::make_shared<Block>(bits_, Range{at_, end, level_})});
        if (pool_ != nullptr) pool_->submit([block = parts_.back().block] { block->work(); });
        at_ = end;
      } else if (magic == kEnd && at_ + kMagicBits + kCrcBits <= bits_.size()) {
        parts_.push_back({nullptr, static_cast<std::uint32_t>(bits_.read(at_ + kMagicBits, kCrcBits))});
        at_ = (at_ + kMagicBits + kCrcBits + 7) / 8 * 8;
        ended_ = !begin_stream();
      } else if (parts_.empty()) {
        fail("it ends too early, or is no bzip2 file");
      } else {
        return;  // told when it is its turn
      }
    }
  }

  // Whether there is more; it may be empty.
  bool next() {
    look_ahead();
    if (parts_.empty()) return false;
    const Part part = std::move(parts_.front());
    parts_.pop_front();
    if (!part.block) {
      if (part.crc != crc_) fail("a checksum is wrong");
      crc_ = 0;
      return true;
    }
    part.block->work();
    // While another has it, those after it are there to be done.
    for (const Part& later : parts_)
      if (later.block && !part.block->is_done()) later.block->work();
    auto content = part.block->get();
    if (!content) content = decode_longer(part.block->range());
    crc_ = std::rotl(crc_, 1) ^
           static_cast<std::uint32_t>(bits_.read(part.block->range().begin + kMagicBits, kCrcBits));
    content_ = std::move(*content);
    used_ = 0;
    return true;
  }

  // What looked like a block's end may have been in it, by chance.
  Buffer decode_longer(const Range& block) {
    const Range longer = {block.begin, bits_.find_magic(block.end + 1), block.level};
    auto content = block.end < bits_.size() ? decode(bits_, longer) : std::nullopt;
    if (!content) fail("a block cannot be decoded");
    forget_parts();
    ended_ = false;
    level_ = longer.level;
    at_ = longer.end;
    return std::move(*content);
  }

  void forget_parts() {
    for (const Part& part : parts_)
      if (part.block) part.block->cancel();
    parts_.clear();
  }

  const Bits bits_;
  const std::string name_;
  ThreadPool* pool_;
  std::uint64_t at_ = 0;    // what is looked at next
  char level_ = '9';        // of the stream that is looked at
  bool ended_ = false;      // there is no further stream
  std::deque<Part> parts_;  // that come next
  std::uint32_t crc_ = 0;   // of the stream that is read, so far
  Buffer content_;
  std::size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Source> make_bzip2_source(Bytes file, std::string name, ThreadPool* pool) {
  return std::make_unique<Bzip2Source>(file, std::move(name), pool);
}

}  // namespace dash
