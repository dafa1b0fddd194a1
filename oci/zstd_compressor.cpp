#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/compressors.hpp"

#include <algorithm>
#include <vector>

#include <zstd.h>

namespace dash::oci {

namespace {

// Each worker costs about 13 MiB at level 3, and one thread cannot read files fast enough for more than
// these.
constexpr unsigned kMostWorkers = 6;

std::size_t check(std::size_t result) {
  if (ZSTD_isError(result) != 0)
    throw Error(ErrorCode::internal, concat("zstd compression failed: ", ZSTD_getErrorName(result)));
  return result;
}

class ZstdCompressor : public FinishSink {
 public:
  ZstdCompressor(int level, Sink& next, unsigned threads)
      : next_(next), context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize()) {
    if (!context_) throw Error(ErrorCode::internal, "zstd compression cannot start: out of memory");
    set(ZSTD_c_compressionLevel, level);
    // Blobs have a digest; a checksum inside would be a second, weaker one.
    set(ZSTD_c_checksumFlag, 0);
    // Without workers zstd cuts its input differently and gives other bytes, so there is always one.
    set(ZSTD_c_nbWorkers, static_cast<int>(std::clamp(threads, 1U, kMostWorkers)));
    // When the first call is the one that ends the stream, zstd takes its input for the whole and writes the
    // size into the frame. A first call that does not end it keeps short and empty input like any other.
    feed(Bytes(), ZSTD_e_continue);
  }

  void write(Bytes bytes) override { feed(bytes, ZSTD_e_continue); }
  void finish() override { feed(Bytes(), ZSTD_e_end); }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };

  void set(ZSTD_cParameter parameter, int value) {
    check(ZSTD_CCtx_setParameter(context_.get(), parameter, value));
  }

  void feed(Bytes bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const auto pending = check(ZSTD_compressStream2(context_.get(), &out, &in, directive));
      if (out.pos > 0) next_.write(Bytes(out_).first(out.pos));
      if (directive == ZSTD_e_end ? pending == 0 : in.pos == in.size) return;
    }
  }

  Sink& next_;
  std::unique_ptr<ZSTD_CCtx, Free> context_;
  std::vector<std::byte> out_;
};

}  // namespace

std::unique_ptr<FinishSink> make_zstd_compressor(int level, Sink& next, unsigned threads) {
  return std::make_unique<ZstdCompressor>(level, next, threads);
}

std::string zstd_framing() {
  return concat("libzstd ", ZSTD_versionString(), ", one frame, workers");
}

}  // namespace dash::oci
