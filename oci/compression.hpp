// Compressing and decompressing layers, with output bytes that depend on nothing but input and settings.
#pragma once

#include "base/stream.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace dash {
class ThreadPool;
}

namespace dash::oci {

enum class Algorithm { none, gzip, zstd };

// How a layer is compressed. Part of step keys through `identity`.
struct Compression {
  Algorithm algorithm = Algorithm::zstd;
  int level = 3;

  // "zstd", "zstd:19", "gzip", "gzip:9", "none"; Error(usage) otherwise. Default levels: zstd 3, gzip 5.
  static Compression parse(std::string_view text);
  std::string to_string() const;
  // Everything that decides the output bytes: algorithm, level, encoder version and framing version.
  std::string identity() const;
  // Media type of a layer compressed this way.
  std::string_view layer_media_type() const;
};

// Makes a compressor that writes to `next` (which must outlive it); `finish` ends the stream. zstd uses its
// own worker threads, at least one always (no workers would give other bytes); gzip is made of independent
// members of a fixed input size, compressed on `pool`. The bytes do not depend on the number of threads or on
// how the input is cut.
std::unique_ptr<FinishSink> make_compressor(const Compression& compression, Sink& next, ThreadPool& pool);

// Decompresses gzip (several members too), zstd (several frames too) or passes plain bytes through, by
// looking at the first bytes. Damaged or truncated input throws Error(corrupt) naming `name`.
std::unique_ptr<Source> make_decompressor(std::unique_ptr<Source> source, std::string name);

}  // namespace dash::oci
