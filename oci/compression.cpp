#include "oci/compression.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "oci/compressors.hpp"
#include "oci/descriptor.hpp"

namespace dash::oci {

namespace {

struct Levels {
  int fallback;
  int highest;
};

constexpr Levels levels(Algorithm algorithm) {
  switch (algorithm) {
    // zstd's levels above 19 need windows that decoders may refuse (RFC 8878, section 3.1.1.1.2).
    case Algorithm::zstd:
      return {3, 19};
    // libdeflate's 5 is smaller than zlib's 6, and its 6 takes a quarter more time for another percent.
    case Algorithm::gzip:
      return {5, 9};
    case Algorithm::none:
      break;
  }
  return {0, 0};
}

constexpr std::string_view name_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::zstd:
      return "zstd";
    case Algorithm::gzip:
      return "gzip";
    case Algorithm::none:
      break;
  }
  return "none";
}

class PassThrough : public FinishSink {
 public:
  explicit PassThrough(Sink& next) : next_(next) {}
  void write(Bytes bytes) override { next_.write(bytes); }
  void finish() override {}

 private:
  Sink& next_;
};

}  // namespace

Compression Compression::parse(std::string_view text) {
  const auto colon = text.find(':');
  const auto name = text.substr(0, colon);
  Compression out;
  if (name == "zstd")
    out.algorithm = Algorithm::zstd;
  else if (name == "gzip")
    out.algorithm = Algorithm::gzip;
  else if (name == "none")
    out.algorithm = Algorithm::none;
  else
    throw Error(ErrorCode::usage, concat(quoted(text), " is no compression"))
        .with_hint("use zstd, gzip or none, with a level if you like: zstd:19, gzip:9");
  const auto [fallback, highest] = levels(out.algorithm);
  out.level = fallback;
  if (colon == std::string_view::npos) return out;
  const auto level = parse_uint(text.substr(colon + 1));
  if (highest == 0)
    throw Error(ErrorCode::usage, concat(quoted(text), ": the compression none has no levels"));
  if (!level || *level < 1 || *level > static_cast<std::uint64_t>(highest))
    throw Error(ErrorCode::usage,
                concat(quoted(text), ": the level of ", name, " is a number from 1 to ", highest));
  out.level = static_cast<int>(*level);
  return out;
}

std::string Compression::to_string() const {
  const std::string name(name_of(algorithm));
  return algorithm == Algorithm::none ? name : concat(name, ':', level);
}

std::string Compression::identity() const {
  switch (algorithm) {
    case Algorithm::zstd:
      return concat(to_string(), ' ', zstd_framing());
    case Algorithm::gzip:
      return concat(to_string(), ' ', gzip_framing());
    case Algorithm::none:
      break;
  }
  return to_string();
}

std::string_view Compression::layer_media_type() const {
  switch (algorithm) {
    case Algorithm::zstd:
      return media_type::kLayerZstd;
    case Algorithm::gzip:
      return media_type::kLayerGzip;
    case Algorithm::none:
      break;
  }
  return media_type::kLayerTar;
}

std::unique_ptr<FinishSink> make_compressor(const Compression& compression, Sink& next, ThreadPool& pool) {
  switch (compression.algorithm) {
    case Algorithm::zstd:
      return make_zstd_compressor(compression.level, next, pool.threads());
    case Algorithm::gzip:
      return make_gzip_compressor(compression.level, next, pool);
    case Algorithm::none:
      break;
  }
  return std::make_unique<PassThrough>(next);
}

}  // namespace dash::oci
