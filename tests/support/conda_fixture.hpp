// Conda packages made byte by byte, also odd and broken ones.
#pragma once

#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "oci/compression.hpp"
#include "tests/support/raw_tar.hpp"
#include "tests/support/tools.hpp"
#include "tests/support/zip_fixture.hpp"

#include <string>

namespace dash::testing {

inline std::string zstd_bytes(const std::string& content) {
  ThreadPool pool(1);
  StringSink out;
  const auto compressor = oci::make_compressor(oci::Compression::parse("zstd"), out, pool);
  compressor->write(as_bytes(content));
  compressor->finish();
  return out.take();
}

inline std::string bzip2_bytes(const std::string& content) {
  return run_tool(
      {"python3", "-c", "import bz2, sys; sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read()))"},
      content);
}

// A package "demo-1.0-0" unless the index says otherwise. Without paths.json it is one of the old kind.
struct CondaFixture {
  std::string index =
      R"({"name": "demo", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"})";
  RawTar info;     // what the index is not: paths.json, link.json, files
  RawTar content;  // everything outside of info/

  std::string info_tar() const { return RawTar(info).file("info/index.json", index).finish(); }
  std::vector<ZipFixtureEntry> conda_entries() const {
    return {{.path = "metadata.json", .content = R"({"conda_pkg_format_version": 2})"},
            {.path = "pkg-demo-1.0-0.tar.zst", .content = zstd_bytes(content.finish())},
            {.path = "info-demo-1.0-0.tar.zst", .content = zstd_bytes(info_tar())}};
  }
  std::string conda() const { return zip_bytes(conda_entries()); }
  std::string tar() const {
    std::string out = info_tar();
    out.resize(out.size() - 1024);
    return out + content.finish();
  }
  std::string tar_bz2() const { return bzip2_bytes(tar()); }
};

}  // namespace dash::testing
