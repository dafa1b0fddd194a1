#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/compression.hpp"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <utility>
#include <vector>

#include <zlib.h>
#include <zstd.h>

namespace dash::oci {

namespace {

// The compressed bytes, block by block, with what was read to look at them still in front.
class Input {
 public:
  Input(std::unique_ptr<Source> source, std::string name)
      : source_(std::move(source)), name_(std::move(name)), block_(kStreamBlock) {}

  // The first bytes, as many of `wanted` as there are. Only before anything was consumed.
  Bytes peek(std::size_t wanted) {
    while (end_ < wanted) {
      const auto count = source_->read(MutableBytes(block_).subspan(end_, wanted - end_));
      if (count == 0) break;
      end_ += count;
    }
    return rest();
  }

  // What was read and not consumed yet; empty only at the end of the input.
  Bytes next() {
    if (at_ == end_) {
      at_ = 0;
      end_ = source_->read(block_);
    }
    return rest();
  }
  void consume(std::size_t count) { at_ += count; }

  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::corrupt, concat(name_, " is damaged: ", what));
  }

 private:
  Bytes rest() const { return Bytes(block_).subspan(at_, end_ - at_); }

  std::unique_ptr<Source> source_;
  std::string name_;
  std::vector<std::byte> block_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

class PlainSource : public Source {
 public:
  explicit PlainSource(Input input) : input_(std::move(input)) {}

  std::size_t read(MutableBytes buffer) override {
    if (buffer.empty()) return 0;
    const auto bytes = input_.next();
    const auto count = std::min(bytes.size(), buffer.size());
    std::copy_n(bytes.begin(), count, buffer.begin());
    input_.consume(count);
    return count;
  }

 private:
  Input input_;
};

// RFC 1952; members follow each other without anything between or after them.
class GzipSource : public Source {
 public:
  explicit GzipSource(Input input) : input_(std::move(input)) {
    // 16: a gzip wrapper, and no other.
    if (inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK)
      throw Error(ErrorCode::internal, "gzip decompression cannot start: out of memory");
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  std::size_t read(MutableBytes buffer) override {
    if (buffer.empty()) return 0;
    buffer = buffer.first(std::min<std::size_t>(buffer.size(), UINT_MAX));
    for (;;) {
      const auto bytes = input_.next();
      if (bytes.empty()) {
        if (!member_done_) input_.fail("the gzip data is cut short");
        return 0;
      }
      if (std::exchange(member_done_, false)) inflateReset(&stream_);
      // zlib's interface predates const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
      stream_.avail_in = static_cast<uInt>(bytes.size());
      stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream_.avail_out = static_cast<uInt>(buffer.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input_.consume(bytes.size() - stream_.avail_in);
      member_done_ = status == Z_STREAM_END;
      if (status == Z_MEM_ERROR) throw Error(ErrorCode::internal, "gzip decompression failed: out of memory");
      // Z_BUF_ERROR: no progress with this input; the next one brings some.
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        input_.fail(
            concat("the gzip data is invalid: ", stream_.msg == nullptr ? "no reason known" : stream_.msg));
      if (const auto count = buffer.size() - stream_.avail_out; count > 0) return count;
    }
  }

 private:
  Input input_;
  z_stream stream_{};
  bool member_done_ = false;
};

// RFC 8878; frames and skippable frames follow each other.
class ZstdSource : public Source {
 public:
  explicit ZstdSource(Input input) : input_(std::move(input)), context_(ZSTD_createDCtx()) {
    if (!context_) throw Error(ErrorCode::internal, "zstd decompression cannot start: out of memory");
  }

  std::size_t read(MutableBytes buffer) override {
    if (buffer.empty()) return 0;
    for (;;) {
      // With no input left, the decoder may still hold output of the frame.
      const auto bytes = input_.next();
      if (bytes.empty() && frame_done_) return 0;
      ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
      ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
      const auto wanted = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(wanted) != 0)
        input_.fail(concat("the zstd data is invalid: ", ZSTD_getErrorName(wanted)));
      input_.consume(in.pos);
      frame_done_ = wanted == 0;
      if (out.pos > 0) return out.pos;
      if (bytes.empty() && !frame_done_) input_.fail("the zstd data is cut short");
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  Input input_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  bool frame_done_ = false;
};

bool starts_gzip(Bytes bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

// A frame, or a skippable one (RFC 8878, sections 3.1.1 and 3.1.2), little endian.
bool starts_zstd(Bytes bytes) {
  if (bytes.size() < 4) return false;
  std::uint32_t magic = 0;
  for (std::size_t i = 0; i < 4; ++i) magic |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * i);
  return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

}  // namespace

std::unique_ptr<Source> make_decompressor(std::unique_ptr<Source> source, std::string name) {
  Input input(std::move(source), std::move(name));
  const auto start = input.peek(4);
  if (starts_gzip(start)) return std::make_unique<GzipSource>(std::move(input));
  if (starts_zstd(start)) return std::make_unique<ZstdSource>(std::move(input));
  return std::make_unique<PlainSource>(std::move(input));
}

}  // namespace dash::oci
