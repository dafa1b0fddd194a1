// The encoders behind `make_compressor`, one file each.
#pragma once

#include "base/stream.hpp"
#include "base/thread_pool.hpp"

#include <memory>
#include <string>

namespace dash::oci {

// One frame without content checksum and without content size.
std::unique_ptr<FinishSink> make_zstd_compressor(int level, Sink& next, unsigned threads);
// Encoder version and everything else besides the level that decides the bytes.
std::string zstd_framing();

// Members of kGzipMember input bytes each, the last one shorter; one empty member for no input.
std::unique_ptr<FinishSink> make_gzip_compressor(int level, Sink& next, ThreadPool& pool);
std::string gzip_framing();
inline constexpr std::size_t kGzipMember = std::size_t{1} << 20;

}  // namespace dash::oci
