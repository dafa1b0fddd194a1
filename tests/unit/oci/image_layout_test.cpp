#include "oci/image_layout.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;

namespace {

struct Fixture {
  TempDirectory directory{fs::temp_directory_path()};
  fs::path path = directory.path() / "layout";
  ImageLayout layout = ImageLayout::open_or_create(path);

  Layer layer(std::string_view content) {
    const auto blob = layout.put(content, media_type::kLayerTar);
    return {blob, DiffId(blob.digest.value())};
  }
  Descriptor image(std::string_view content) { return layout.store_image({}, {layer(content)}); }
  void damage(const Digest& digest, std::string_view content) {
    std::ofstream(layout.blob_path(digest).string(), std::ios::trunc) << content;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a new layout is what the specification says") {
  CHECK(read_file(path / "oci-layout") == R"({"imageLayoutVersion":"1.0.0"})");
  CHECK(layout.index().manifests.empty());
  CHECK(layout.validate().empty());
  CHECK_THROWS_AS(ImageLayout::open(directory.path() / "absent"), Error);
  CHECK_THROWS_AS(ImageLayout::open(directory.path()), Error);
  CHECK_THROWS_AS(ImageLayout::open_or_create(directory.path()), Error);  // something else is there
}

TEST_CASE_METHOD(Fixture, "names point at images") {
  const auto one = image("one");
  const auto two = image("two");
  layout.tag("app:1", one);
  layout.tag("app:2", one);
  layout.tag("app:2", two);
  CHECK(layout.find("app:1")->digest == one.digest);
  CHECK(layout.find("app:2")->digest == two.digest);
  CHECK_FALSE(layout.find("app:3"));
  CHECK(layout.load(two).layers().size() == 1);
  CHECK(layout.untag("app:1"));
  CHECK_FALSE(layout.untag("app:1"));
  CHECK(layout.index().manifests.size() == 1);
}

TEST_CASE_METHOD(Fixture, "foreign layers may be absent, and are checked when they are there") {
  const auto config = layout.put(ImageConfig{}.to_json(), media_type::kConfig);
  const std::string type = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  const Descriptor foreign{type, Digest::of("elsewhere"), 9, {}, std::nullopt};
  const Manifest manifest{config, {foreign}, {}};
  layout.tag("app", layout.put(manifest.to_json(), media_type::kManifest));
  CHECK(layout.validate().empty());
  layout.put("elsewhere", type);
  damage(foreign.digest, "elsewhene");
  CHECK(layout.validate().size() == 1);
}

TEST_CASE_METHOD(Fixture, "an artifact is no image") {
  const auto config = layout.put("{}", media_type::kEmpty);
  const Manifest artifact{config, {}, {}, "application/vnd.example"};
  CHECK(artifact.artifact() == "application/vnd.example");
  CHECK(Manifest{config, {}, {}}.artifact() == media_type::kEmpty);
  const auto entry = layout.put(artifact.to_json(), media_type::kManifest);
  layout.tag("art", entry);
  CHECK(layout.validate().empty());
  try {
    layout.load(entry);
    FAIL("an artifact was taken for an image");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::unsupported);
    CHECK(error.message() == concat("manifest ", entry.digest.to_string(),
                                    " is no image: it is an artifact of the type 'application/vnd.example'"));
  }
}

TEST_CASE_METHOD(Fixture, "concurrent updates of the index are all kept") {
  const auto manifest = image("x");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      auto mine = ImageLayout::open(path);
      for (int k = 0; k < 5; ++k) mine.tag(concat("app:", i, '-', k), manifest);
    });
  for (auto& thread : threads) thread.join();
  CHECK(layout.index().manifests.size() == 40);
}

TEST_CASE_METHOD(Fixture, "an abandoned blob leaves nothing") {
  {
    const auto writer = layout.begin_write();
    writer->write(as_bytes("half"));
  }
  CHECK(fs::is_empty(path / "blobs" / "sha256"));
}

TEST_CASE_METHOD(Fixture, "damage is found when it is read") {
  const auto blob = layout.put("content", media_type::kLayerTar);
  damage(blob.digest, "CONTENT");
  CHECK_THROWS_WITH(layout.read(blob, 100), Catch::Contains("does not match its digest"));
  damage(blob.digest, "cont");
  CHECK_THROWS_WITH(layout.read(blob, 100), Catch::Contains("is cut short: 4 of 7 bytes are there"));
  CHECK_THROWS_WITH(layout.read(blob, 5), Catch::Contains("at most 5 B are accepted"));
}

TEST_CASE_METHOD(Fixture, "validation reports every fault") {
  const auto manifest = image("layer content");
  layout.tag("app:1", manifest);
  CHECK(layout.validate().empty());
  damage(layout.load(manifest).layers().front().blob.digest, "other");
  CHECK(layout.validate().size() == 1);
  fs::remove(layout.blob_path(manifest.digest));
  CHECK(layout.validate().size() == 2);  // the manifest is absent: once as a blob, once as a document
}

TEST_CASE_METHOD(Fixture, "garbage collection keeps what names reach") {
  const auto kept = image("kept");
  layout.tag("app:1", kept);
  image("unnamed");
  const auto extra = layout.put("extra", media_type::kLayerTar);
  std::ofstream((path / "blobs" / "sha256" / ".tmp-dead").string()) << "left by a killed process";
  {
    const auto lease = layout.lease();
    CHECK_FALSE(layout.collect_garbage({}));
  }
  const auto collected = layout.collect_garbage({extra.digest});
  REQUIRE(collected);
  CHECK(collected->blobs == 4);  // a layer, a configuration, a manifest, a temporary file
  CHECK(layout.contains(extra.digest));
  CHECK(layout.validate().empty());
  CHECK(layout.collect_garbage({})->blobs == 1);
}

TEST_CASE_METHOD(Fixture, "an index is resolved by platform") {
  const auto manifest = image("x");
  auto other = manifest;
  other.platform = Platform{"linux", "riscv64", ""};
  const auto index = layout.put(Index{{other}, {}}.to_json(), media_type::kIndex);
  CHECK_THROWS_WITH(layout.load(index), "index " + index.digest.to_string() +
                                            " has no image for linux/amd64; it has linux/riscv64");
  CHECK(layout.load(index, {"linux", "riscv64", ""}).descriptor.digest == manifest.digest);
}

TEST_CASE("image layout: interrupted downloads are garbage, others' files are not") {
  const Fixture f;
  const auto blobs = f.path / "blobs" / "sha256";
  const auto hex = Digest::of("x").hex();
  for (const auto& name : {hex + ".part", hex + ".aBc123", std::string(".tmp-1"), std::string("note.part")})
    write_file_atomic(blobs / name, "x");
  auto layout = ImageLayout::open(f.path);
  {
    const auto held = FileLock::try_acquire(blobs / (hex + ".part"), FileLock::Kind::exclusive);
    CHECK(layout.collect_garbage({})->blobs == 2);
    CHECK(fs::exists(blobs / (hex + ".part")));
  }
  CHECK(layout.collect_garbage({})->blobs == 1);
  CHECK(fs::exists(blobs / "note.part"));
}
