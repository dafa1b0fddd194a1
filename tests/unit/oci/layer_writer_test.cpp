#include "oci/layer_writer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;
using dash::testing::brief_error_of;

namespace {

struct Fixture {
  explicit Fixture(const char* compression = "none", unsigned threads = 2)
      : pool(threads), settings{store, pool, Compression::parse(compression)} {}

  // The names in the tar, as GNU tar lists them.
  std::string names(const Layer& layer) const {
    const auto source = make_decompressor(store.open(layer.blob), "layer");
    return testing::run_tool({"tar", "-tf", "-"}, read_all(*source, 1 << 30, "layer"));
  }

  testing::MemoryStore store;
  ThreadPool pool;
  LayerSettings settings;
};

TarEntry directory(std::string path) {
  return {.path = std::move(path), .type = EntryType::directory, .mode = 0755};
}
TarEntry empty_file(std::string path) {
  return {.path = std::move(path)};
}

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 12345;
  for (auto& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 28U);
  return out;
}

}  // namespace

TEST_CASE("layer order puts what is in a directory right after it") {
  const std::vector<std::string_view> ordered = {"",    "!",     "a",  "a/!",   "a/b", "a/b/c",
                                                 "a/z", "a\x01", "a!", "a-b/c", "aa",  "\xff"};
  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      INFO(ordered[i] << " and " << ordered[j]);
      CHECK(layer_path_less(ordered[i], ordered[j]) == (i < j));
    }
}

TEST_CASE("a layer's digests and sizes are those of its bytes") {
  const auto* compression = GENERATE("none", "gzip", "zstd");
  Fixture fixture(compression);
  LayerWriter writer(fixture.settings);
  writer.add(directory("a"));
  const auto content = noise(3'000'000);
  writer.add({.path = "a/f", .size = content.size(), .mtime = 99}, as_bytes(content));
  const auto layer = writer.finish();

  const auto blob = fixture.store.bytes(layer.blob.digest);
  CHECK(layer.blob.size == blob.size());
  CHECK(layer.blob.media_type == fixture.settings.compression.layer_media_type());
  const auto source = make_decompressor(fixture.store.open(layer.blob), "layer");
  const auto tar = read_all(*source, 1 << 30, "layer");
  CHECK(layer.diff_id.hex() == Digest::of(tar).hex());
  CHECK(writer.tar_bytes() == tar.size());
  CHECK(testing::run_tool({"tar", "--numeric-owner", "-tvf", "-"}, tar) ==
        "drwxr-xr-x 0/0               0 1980-01-01 00:00 a/\n"
        "-rw-r--r-- 0/0         3000000 1980-01-01 00:00 a/f\n");
}

TEST_CASE("the number of threads does not change a layer") {
  const auto* compression = GENERATE("gzip", "zstd");
  const auto content = noise(std::size_t{18} << 20);
  const auto make = [&](unsigned threads) {
    Fixture fixture(compression, threads);
    LayerWriter writer(fixture.settings);
    writer.add({.path = "f", .size = content.size()}, as_bytes(content));
    return writer.finish();
  };
  const auto expected = make(1);
  CHECK(make(2) == expected);
  CHECK(make(8) == expected);
}

TEST_CASE("a layer without entries is an empty tar") {
  Fixture fixture;
  const auto layer = LayerWriter(fixture.settings).finish();
  CHECK(fixture.store.bytes(layer.blob.digest) == std::string(1024, '\0'));
}

TEST_CASE("entries out of order are refused") {
  Fixture fixture;
  LayerWriter writer(fixture.settings);
  writer.add(empty_file("b"));
  CHECK(brief_error_of([&] { writer.add(empty_file("a")); }) ==
        "internal: layer entries are out of order: 'a' comes after 'b'");
  CHECK(brief_error_of([&] { writer.add(empty_file("b")); }) ==
        "internal: layer entries are out of order: 'b' comes after 'b'");
  CHECK(brief_error_of([&] { writer.add_whiteout("a"); }) ==
        "internal: layer entries are out of order: '.wh.a' comes after 'b'");
  CHECK(brief_error_of([&] { writer.add({.path = "c", .type = EntryType::hardlink, .link_target = "d"}); }) ==
        "internal: the hard link 'c' comes before its target 'd'");
}

TEST_CASE("names that mean deletions are refused") {
  Fixture fixture;
  LayerWriter writer(fixture.settings);
  CHECK(brief_error_of([&] { writer.add(empty_file("a/.wh.b")); }) ==
        "invalid_input: 'a/.wh.b' cannot be put into a layer: names that start with .wh. mean deletions");
  CHECK(
      brief_error_of([&] { writer.add(directory(".wh..wh..opq")); }) ==
      "invalid_input: '.wh..wh..opq' cannot be put into a layer: names that start with .wh. mean deletions");
}

TEST_CASE("whiteouts and opaque markers have their places") {
  Fixture fixture;
  LayerWriter writer(fixture.settings);
  writer.add(directory("a"));
  writer.add_opaque_marker("a");
  writer.add(empty_file("a/-"));
  writer.add_whiteout("a/zz");
  writer.add(empty_file("a/b"));
  writer.add_whiteout("b/c/gone");
  CHECK(brief_error_of([&] { writer.add_opaque_marker("b"); }) ==
        "internal: the opaque marker of 'b' comes after 'b/c/.wh.gone', not right after the directory");
  writer.add(directory("c"));
  writer.add_opaque_marker("c");
  CHECK(brief_error_of([&] { writer.add_opaque_marker("c"); }) ==
        "internal: the opaque marker of 'c' comes after 'c', not right after the directory");
  writer.add(empty_file("d"));
  CHECK(brief_error_of([&] { writer.add_opaque_marker("d"); }) ==
        "internal: the opaque marker of 'd' comes after 'd', not right after the directory");
  CHECK(fixture.names(writer.finish()) ==
        "a/\na/.wh..wh..opq\na/-\na/.wh.zz\na/b\nb/c/.wh.gone\nc/\nc/.wh..wh..opq\nd\n");
}

TEST_CASE("the root can be opaque") {
  Fixture fixture;
  LayerWriter writer(fixture.settings);
  writer.add_opaque_marker("");
  writer.add(empty_file("-"));
  CHECK(fixture.names(writer.finish()) == ".wh..wh..opq\n-\n");
}

TEST_CASE("parents are added once") {
  Fixture fixture;
  LayerWriter writer(fixture.settings);
  writer.add_parents("usr/lib/x");
  writer.add(empty_file("usr/lib/x"));
  writer.add_parents("usr/lib/y");
  writer.add(empty_file("usr/lib/y"));
  writer.add_parents("usr/lib64/z");
  writer.add(empty_file("usr/lib64/z"));
  writer.add_parents("var");
  writer.add(empty_file("var"));
  CHECK(fixture.names(writer.finish()) ==
        "usr/\nusr/lib/\nusr/lib/x\nusr/lib/y\nusr/lib64/\nusr/lib64/z\nvar\n");
}

TEST_CASE("a layer that is not finished stores nothing") {
  Fixture fixture("zstd");
  {
    LayerWriter writer(fixture.settings);
    const auto content = noise(std::size_t{10} << 20);
    writer.add({.path = "f", .size = content.size()}, as_bytes(content));
  }
  CHECK(fixture.store.size() == 0);
}

TEST_CASE("a finished layer takes nothing more") {
  Fixture fixture;
  LayerWriter writer(fixture.settings);
  writer.finish();
  CHECK(brief_error_of([&] { writer.add(empty_file("a")); }) ==
        "internal: the layer is finished; 'a' comes too late");
  CHECK(brief_error_of([&] { writer.finish(); }) == "internal: the layer is finished already");
}

TEST_CASE("a store that fails, fails the layer in the calling thread") {
  class FullStore : public testing::MemoryStore {
   public:
    std::unique_ptr<BlobWriter> begin_write() override { return std::make_unique<Writer>(); }

   private:
    class Writer : public BlobWriter {
     public:
      void write(Bytes bytes) override {
        if ((count_ += bytes.size()) > 1'000'000) throw Error(ErrorCode::no_space, "the disk is full");
      }
      void commit(const Digest&) override { FAIL("committed what was not written"); }

     private:
      std::size_t count_ = 0;
    };
  };
  const auto* compression = GENERATE("none", "gzip", "zstd");
  const auto size = GENERATE(as<std::size_t>(), 4'000'000, 30'000'000);
  FullStore store;
  ThreadPool pool(2);
  LayerWriter writer({store, pool, Compression::parse(compression)});
  const auto content = noise(size);
  CHECK(brief_error_of([&] {
          writer.add({.path = "f", .size = content.size()}, as_bytes(content));
          writer.finish();
        }) == "no_space: the disk is full");
}
