#include "oci/recompress.hpp"

#include "base/error.hpp"
#include "base/thread_pool.hpp"
#include "tests/support/memory_store.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;

TEST_CASE("a layer in another compression is the same layer, and the one that would have been written") {
  testing::MemoryStore store;
  ThreadPool pool(2);
  auto write = [&](const char* compression) {
    LayerWriter writer(LayerSettings{store, pool, Compression::parse(compression)});
    writer.add({.path = "a"}, as_bytes(""));
    writer.add({.path = "b", .size = 3}, as_bytes("abc"));
    return writer.finish();
  };
  const auto zstd = write("zstd");
  const auto gzip = write("gzip");
  CHECK(recompress_layer(LayerSettings{store, pool, Compression::parse("gzip")}, zstd) == gzip);
  CHECK(recompress_layer(LayerSettings{store, pool, Compression::parse("zstd")}, gzip) == zstd);

  auto wrong = zstd;
  wrong.diff_id = DiffId(Sha256{});
  CHECK_THROWS_AS(recompress_layer(LayerSettings{store, pool, Compression::parse("gzip")}, wrong), Error);
}
