#include "oci/image_archive.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/raw_tar.hpp"
#include "tests/support/tools.hpp"

#include <stop_token>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;
using Catch::Matchers::Contains;
using dash::testing::MemoryStore;
using dash::testing::RawTar;
using dash::testing::run_script;
using dash::testing::run_tool;

namespace {

const Platform kAmd64{"linux", "amd64", ""};
const Platform kArm64{"linux", "arm64", "v8"};

// An image of two small layers in `store`.
Descriptor make_image(BlobStore& store, const std::string& content, const Platform& platform = kAmd64) {
  Manifest manifest{Descriptor{"", Digest::of(content), 0, {}, {}}, {}, {}};
  ImageConfig config;
  config.platform = platform;
  config.cmd = {"web"};
  for (const auto& text : {content, std::string("common")}) {
    const auto tar = RawTar().file("file", text).finish();
    manifest.layers.push_back(store.put(tar, media_type::kLayerTar));
    config.diff_ids.emplace_back(Digest::of(tar).value());
  }
  manifest.config = store.put(config.to_json(), media_type::kConfig);
  auto out = store.put(manifest.to_json(), media_type::kManifest);
  out.platform = platform;
  return out;
}

struct Files {
  TempDirectory base{"/tmp"};
  fs::path at(const std::string& name) const { return base.path() / name; }
};

Descriptor tagged(Descriptor entry, const char* tag) {
  entry.annotations[annotation::kRefName] = tag;
  return entry;
}

// Counts what is opened, to see what copying reads.
class CountingStore : public MemoryStore {
 public:
  std::unique_ptr<Source> open(const Descriptor& blob) const override {
    ++opened;
    return MemoryStore::open(blob);
  }
  mutable int opened = 0;
};

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("no error");
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("copying an image moves only what is missing") {
  CountingStore from;
  MemoryStore to;
  const auto first = make_image(from, "one");
  const auto second = make_image(from, "two");
  CHECK(copy_image(from, first, to) == first);
  CHECK(from.opened == 4);
  CHECK(to.size() == 4);
  from.opened = 0;
  copy_image(from, second, to);
  CHECK(from.opened == 3);  // the common layer is there
  from.opened = 0;
  copy_image(from, second, to);
  CHECK(from.opened == 1);  // the manifest, to know its blobs
  CHECK(to.bytes(second.digest) == from.bytes(second.digest));
}

TEST_CASE("copying verifies blobs, and a manifest never comes without them") {
  MemoryStore from;
  MemoryStore to;
  const auto image = make_image(from, "one");
  const auto manifest = Manifest::parse(from.bytes(image.digest), "m");
  SECTION("other bytes") {
    auto bytes = from.bytes(manifest.layers[0].digest);
    bytes[600] ^= 1;
    from.damage(manifest.layers[0].digest, bytes);
    CHECK_THROWS_WITH(copy_image(from, image, to), Contains("does not match its digest"));
  }
  SECTION("cut short") {
    from.damage(manifest.layers[1].digest, "");
    CHECK_THROWS_WITH(copy_image(from, image, to), Contains("is cut short"));
  }
  SECTION("a huge manifest") {
    auto huge = image;
    huge.size = std::uint64_t{5} << 20U;
    CHECK_THROWS_WITH(copy_image(from, huge, to), Contains("at most 4.2 MB are accepted"));
  }
  SECTION("stopped") {
    std::stop_source stop;
    stop.request_stop();
    CHECK(code_of([&] { copy_image(from, image, to, {}, stop.get_token()); }) == ErrorCode::canceled);
  }
  CHECK_FALSE(to.contains(image.digest));
}

TEST_CASE("content is copied whole, apart from foreign layers that are elsewhere") {
  MemoryStore from;
  MemoryStore to;
  const auto amd = make_image(from, "amd");
  const auto arm = make_image(from, "arm", kArm64);
  const auto attestation = from.put("statement", "application/vnd.example.attestation");
  Manifest odd{from.put("{}", "application/vnd.oci.empty.v1+json"), {}, {}};
  odd.layers.push_back({"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                        Digest::of(std::string_view("elsewhere")),
                        9,
                        {},
                        {}});
  const auto artifact = from.put(odd.to_json(), media_type::kManifest);
  const auto index = from.put(Index{{attestation, arm, amd, artifact}, {}}.to_json(), media_type::kIndex);
  copy_content(from, index, to);
  for (const auto& part : {index, amd, arm, attestation, artifact})
    CHECK(to.read(part, 100'000) == from.read(part, 100'000));
  CHECK_FALSE(to.contains(odd.layers[0].digest));
  CHECK_THROWS_WITH(copy_content(from, attestation, to),
                    "manifest " + attestation.digest.to_string() +
                        " has the media type 'application/vnd.example.attestation', which is not an image");
  auto nested = index;
  for (int i = 0; i < 10; ++i) nested = from.put(Index{{nested}, {}}.to_json(), media_type::kIndex);
  CHECK_THROWS_WITH(copy_content(from, nested, to), Contains("the index is nested too deeply"));
}

TEST_CASE("an index is resolved to the platform") {
  MemoryStore from;
  MemoryStore to;
  const auto amd = make_image(from, "amd");
  const auto arm = make_image(from, "arm", kArm64);
  Descriptor attestation{"application/vnd.example.attestation", Digest::of(std::string_view("x")), 1, {}, {}};
  const auto index = from.put(Index{{attestation, arm, amd}, {}}.to_json(), media_type::kIndex);
  CHECK(copy_image(from, index, to).digest == amd.digest);
  CHECK_FALSE(to.contains(arm.digest));
  CHECK(copy_image(from, index, to, kArm64).digest == arm.digest);
  CHECK_THROWS_WITH(copy_image(from, index, to, {"linux", "riscv64", ""}),
                    "index " + index.digest.to_string() +
                        " has no image for linux/riscv64; it has linux/amd64, linux/arm64/v8");
  CHECK(code_of([&] { copy_image(from, attestation, to); }) == ErrorCode::unsupported);
}

TEST_CASE("picking an image from an index") {
  MemoryStore store;
  const auto one = make_image(store, "one");
  const auto two = make_image(store, "two");
  const auto arm = make_image(store, "arm", kArm64);
  const auto pick = [](std::vector<Descriptor> entries, std::string_view tag) {
    return pick_image(Index{std::move(entries), {}}, tag, kAmd64, "x.tar").digest;
  };
  CHECK(pick({one}, "") == one.digest);
  CHECK(pick({tagged(one, "v1")}, "") == one.digest);
  CHECK(pick({tagged(one, "v1"), tagged(two, "v2")}, "v2") == two.digest);
  CHECK(pick({tagged(arm, "v1"), tagged(one, "v1")}, "v1") == one.digest);
  CHECK(pick({arm, one}, "") == one.digest);
  CHECK_THROWS_WITH(pick({}, ""), "x.tar holds no image");
  CHECK_THROWS_WITH(pick({tagged(two, "v2"), tagged(one, "v1"), arm}, "v3"),
                    "x.tar has no image with the tag 'v3'; its tags are: (an image without a tag), v1, v2");
  CHECK_THROWS_WITH(pick({tagged(two, "v2"), tagged(one, "v1")}, ""),
                    "x.tar holds 2 images; their tags are: v1, v2");
  CHECK(code_of([&] { pick({tagged(two, "v2"), tagged(one, "v1")}, ""); }) == ErrorCode::usage);
  CHECK_THROWS_WITH(pick({arm}, ""), "x.tar has no image for linux/amd64; it has linux/arm64/v8");
}

TEST_CASE("an archive comes back as it was, and is the same every time") {
  const Files files;
  MemoryStore from;
  MemoryStore to;
  const auto image = make_image(from, "one");
  export_archive(from, image, "v1", files.at("a.tar"));
  export_archive(from, image, "v1", files.at("b.tar"));
  CHECK(read_file(files.at("a.tar")) == read_file(files.at("b.tar")));
  CHECK(import_archive(files.at("a.tar"), "v1", to).digest == image.digest);
  CHECK(import_archive(files.at("a.tar"), "", to).digest == image.digest);
  CHECK(to.size() == 4);
  CHECK_THROWS_WITH(import_archive(files.at("a.tar"), "v2", to),
                    Contains("a.tar has no image with the tag 'v2'; its tags are: v1"));
  // A failed export leaves the old file and nothing else.
  const auto before = read_file(files.at("a.tar"));
  from.damage(image.digest, "{}");
  CHECK_THROWS(export_archive(from, image, "v1", files.at("a.tar")));
  CHECK(read_file(files.at("a.tar")) == before);
  CHECK(run_tool({"ls", "-A", files.base.path().string()}) == "a.tar\nb.tar\n");
}

TEST_CASE("archives that are none, or are damaged") {
  const Files files;
  MemoryStore from;
  MemoryStore to;
  const auto image = make_image(from, "one");
  export_archive(from, image, "", files.at("good.tar"));
  const auto good = read_file(files.at("good.tar"));
  const auto import = [&](const std::string& bytes) {
    write_file_atomic(files.at("x.tar"), bytes);
    import_archive(files.at("x.tar"), "", to);
  };
  CHECK_THROWS_WITH(import(RawTar().file("manifest.json", "[]").finish()),
                    Contains("x.tar is not an OCI archive: it has no index.json"));
  CHECK_THROWS_WITH(import(std::string(3000, 'x')), Contains("x.tar is damaged"));
  CHECK_THROWS_WITH(import(RawTar().file("index.json", "{}").finish()), Contains("index.json of "));
  CHECK_THROWS_WITH(import(RawTar().file("index.json", std::string(5000000, ' ')).finish()),
                    Contains("is larger than the limit of 4.2 MB"));
  CHECK_THROWS_WITH(import(RawTar().symlink("index.json", "/etc/passwd").finish()),
                    Contains("has no index.json"));
  const auto index = Index{{image}, {}}.to_json();
  CHECK_THROWS_WITH(import(RawTar().file("index.json", index).finish()),
                    Contains("blob " + image.digest.to_string() + " is not in "));
  CHECK_THROWS_WITH(import(RawTar()
                               .file("index.json", index)
                               .file("blobs/sha256/" + image.digest.hex(), std::string(image.size, ' '))
                               .finish()),
                    Contains("does not match its digest"));
  CHECK_THROWS_AS(import(good.substr(0, good.size() - 2000)), Error);
  CHECK_THROWS_WITH(import_archive(files.at("none.tar"), "", to), Contains("cannot open"));
  import("" + good);
  CHECK(to.contains(image.digest));
  // Compressed as a whole, and with other spellings of the names.
  MemoryStore again;
  run_script(
      concat("cd ", files.base.path().string(),
             "; mkdir t; tar -C t -xf good.tar; tar -C t -czf packed.tgz ./oci-layout ./blobs ./index.json"));
  CHECK(import_archive(files.at("packed.tgz"), "", again).digest == image.digest);
}

TEST_CASE("layout directories: copied in and out, named and unnamed") {
  const Files files;
  MemoryStore from;
  MemoryStore to;
  const auto one = make_image(from, "one");
  const auto two = make_image(from, "two");
  export_layout(from, one, "v1", files.at("layout"));
  export_layout(from, two, "v2", files.at("layout"));
  CHECK(ImageLayout::open(files.at("layout")).validate().empty());
  CHECK(import_layout(files.at("layout"), "v2", to).digest == two.digest);
  CHECK_THROWS_WITH(import_layout(files.at("layout"), "", to),
                    Contains("holds 2 images; their tags are: v1, v2"));
  export_layout(from, one, "", files.at("unnamed"));
  export_layout(from, two, "", files.at("unnamed"));
  CHECK(import_layout(files.at("unnamed"), "", to).digest == two.digest);
  CHECK(code_of([&] { import_layout(files.at("nowhere"), "", to); }) == ErrorCode::not_found);
}

TEST_CASE("skopeo and umoci read our archives and we read theirs") {
  const Files files;
  MemoryStore from;
  const auto image = make_image(from, "content");
  export_archive(from, image, "v1", files.at("ours.tar"));
  const auto where = [&](const char* name) { return files.at(name).string(); };
  CHECK(run_tool({"skopeo", "inspect", "--format", "{{.Digest}}",
                  "oci-archive:" + where("ours.tar") + ":v1"}) == image.digest.to_string() + "\n");
  run_tool({"skopeo", "--tmpdir", files.base.path().string(), "copy", "--preserve-digests",
            "oci-archive:" + where("ours.tar") + ":v1", "oci:" + where("layout") + ":v1"});
  run_tool({"skopeo", "--tmpdir", files.base.path().string(), "copy", "--preserve-digests",
            "oci:" + where("layout") + ":v1", "oci-archive:" + where("theirs.tar") + ":other"});
  MemoryStore to;
  CHECK(import_archive(files.at("theirs.tar"), "other", to).digest == image.digest);
  CHECK(to.size() == 4);
  run_tool({"umoci", "unpack", "--image", where("layout") + ":v1", where("bundle")});
  CHECK(read_file(files.at("bundle") / "rootfs" / "file") == "common");
}
