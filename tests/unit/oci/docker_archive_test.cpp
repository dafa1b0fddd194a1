#include "oci/docker_archive.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "oci/image_archive.hpp"
#include "oci/recompress.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/raw_tar.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;
using Catch::Matchers::Contains;
using dash::testing::brief_error_of;
using dash::testing::error_of;
using dash::testing::MemoryStore;
using dash::testing::RawTar;
using dash::testing::run_script;
using dash::testing::run_tool;

namespace {

const std::string kLower = RawTar().file("file", "lower").finish();
const std::string kUpper = RawTar().file("file", "upper").finish();

std::string config_of(const std::vector<std::string>& layers, const std::string& architecture = "amd64") {
  ImageConfig config;
  config.platform.architecture = architecture;
  config.cmd = {"web"};
  for (const auto& layer : layers) config.diff_ids.emplace_back(Digest::of(layer).value());
  return config.to_json();
}

std::string item(const std::string& names, const std::string& layers, const std::string& config = "c.json") {
  return concat(R"({"Config":")", config, R"(","RepoTags":)", names, R"(,"Layers":[)", layers, "]}");
}

struct Files {
  TempDirectory base{"/tmp"};
  fs::path at(const std::string& name) const { return base.path() / name; }
  fs::path write(const std::string& name, const std::string& bytes) const {
    write_file_atomic(at(name), bytes);
    return at(name);
  }
};

// The image that is opened, copied to a store of its own.
struct Copied {
  OpenedImage opened;
  MemoryStore store;
  Descriptor image;
  Copied(const fs::path& file, std::string_view name = {})
      : opened(open_docker_archive(file, name)), image(copy_image(*opened.store, opened.manifest, store)) {}
  Manifest manifest() const { return Manifest::parse(store.bytes(image.digest), "m"); }
};

Layer as(const Layer& layer, MemoryStore& store, const char* compression) {
  ThreadPool pool(1);
  return recompress_layer({store, pool, Compression::parse(compression)}, layer);
}

// By default an image with a layer of each compression.
Descriptor make_image(MemoryStore& store, const char* first = "zstd") {
  Manifest manifest{store.put(config_of({kLower, kUpper}), media_type::kConfig), {}, {}};
  const char* compression = first;
  for (const auto& tar : {kLower, kUpper}) {
    const Layer plain{store.put(tar, media_type::kLayerTar), DiffId(Digest::of(tar).value())};
    manifest.layers.push_back(as(plain, store, compression).blob);
    compression = "gzip";
  }
  return store.put(manifest.to_json(), media_type::kManifest);
}

}  // namespace

TEST_CASE("what docker save of Docker 1.10 to 24 wrote, with links between equal layers") {
  const Files files;
  const auto bytes =
      RawTar()
          .directory("1")
          .file("1/VERSION", "1.0")
          .file("1/layer.tar", kLower)
          .file("2/layer.tar", kUpper)
          .symlink("3/layer.tar", "../1/layer.tar")
          .file("c.json", config_of({kLower, kUpper, kLower}))
          .file("repositories", R"({"app":{"1":"2"}})")
          .file("manifest.json",
                "[" + item(R"(["app:1"])", R"("1/layer.tar","2/layer.tar","3/layer.tar")") + "]")
          .finish();
  const Copied copied(files.write("x.tar", bytes), "app:1");
  const auto manifest = copied.manifest();
  REQUIRE(manifest.layers.size() == 3);
  CHECK(manifest.config.media_type == media_type::kConfig);
  CHECK(manifest.layers[0].digest == Digest::of(kLower));
  CHECK(manifest.layers[0].media_type == media_type::kLayerTar);
  CHECK(manifest.layers[2] == manifest.layers[0]);
  CHECK(copied.store.bytes(manifest.layers[1].digest) == kUpper);
  // The same in a compressed archive, and each time.
  write_file_atomic(files.at("y.tar"), bytes);
  run_tool({"gzip", files.at("y.tar").string()});
  CHECK(Copied(files.at("y.tar.gz")).image == copied.image);
}

TEST_CASE("what Docker 25 writes: blobs by digest, layers perhaps compressed") {
  const Files files;
  MemoryStore store;
  const Layer plain{store.put(kUpper, media_type::kLayerTar), DiffId(Digest::of(kUpper).value())};
  const auto config = config_of({kLower, kUpper});
  for (const auto& [compression, type] :
       {std::pair("gzip", media_type::kLayerGzip), std::pair("zstd", media_type::kLayerZstd)}) {
    const auto packed = as(plain, store, compression);
    const auto blob = [](const Digest& digest) { return "blobs/sha256/" + digest.hex(); };
    const auto file = files.write(
        "x.tar", RawTar()
                     .file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})")
                     .file(blob(Digest::of(kLower)), kLower)
                     .file(blob(packed.blob.digest), store.bytes(packed.blob.digest))
                     .file(blob(Digest::of(config)), config)
                     .file("manifest.json", "[" +
                                                item("null",
                                                     concat('"', blob(Digest::of(kLower)), "\",\"",
                                                            blob(packed.blob.digest), '"'),
                                                     blob(Digest::of(config))) +
                                                "]")
                     .finish());
    const auto manifest = Copied(file).manifest();
    CHECK(manifest.layers[1].digest == packed.blob.digest);
    CHECK(manifest.layers[1].media_type == type);
    CHECK(manifest.layers[1].size == packed.blob.size);
  }
}

TEST_CASE("names in a Docker archive") {
  const Files files;
  const auto file = files.write(
      "x.tar", RawTar()
                   .file("l.tar", kLower)
                   .file("c.json", config_of({kLower}))
                   .file("d.json", config_of({}))
                   .file("manifest.json",
                         concat('[', item(R"(["registry.example/team/app:latest","a/b:1"])", R"("l.tar")"),
                                ',', item(R"(["other:2","c/b:1"])", "", "d.json"), ']'))
                   .finish());
  const auto layers = [&](std::string_view name) { return Copied(file, name).manifest().layers.size(); };
  CHECK(layers("registry.example/team/app:latest") == 1);
  CHECK(layers("app") == 1);
  CHECK(layers("other:2") == 0);
  const auto names = "a/b:1, c/b:1, other:2, registry.example/team/app:latest";
  const auto fault = [&](std::string_view name) {
    return brief_error_of([&] { open_docker_archive(file, name); });
  };
  CHECK(fault("other") ==
        concat("not_found: ", file.string(), " has no image 'other:latest'; the names are: ", names));
  CHECK(fault("b:1") ==
        concat("usage: ", file.string(), " has several images 'b:1'; the names are: ", names));
  CHECK(fault("") == concat("usage: ", file.string(), " holds 2 images; their names are: ", names));
}

TEST_CASE("Docker archives that are none, or are wrong") {
  const Files files;
  const auto fault = [&](const RawTar& tar) {
    const auto file = files.write("x.tar", tar.finish());
    auto text = brief_error_of([&] { Copied{file}; });
    for (auto at = text.find(file.string()); at != std::string::npos; at = text.find(file.string()))
      text.replace(at, file.string().size(), "X");
    return text;
  };
  const auto with = [](const std::string& manifest) { return RawTar().file("manifest.json", manifest); };
  const auto good = "[" + item("[]", R"("l.tar")") + "]";
  CHECK(fault(RawTar().file("repositories", "{}")) ==
        "invalid_input: X is not a Docker archive: it has no manifest.json");
  CHECK(fault(with("{}")) == "corrupt: manifest.json of X is not a list of images");
  CHECK(fault(with("[]")) == "not_found: X holds no image");
  CHECK_THAT(fault(with("[{}]")), Contains("corrupt: manifest.json of X is not a list of images: "));
  CHECK_THAT(fault(with("[[[[")), Contains("corrupt: manifest.json of X is not a list of images: "));
  CHECK_THAT(fault(with(std::string(5'000'000, ' '))), Contains("larger than the limit of 4.2 MB"));
  CHECK(fault(with(good)) == "corrupt: X lacks the file 'c.json', which its manifest.json names");
  CHECK(fault(with(good).file("c.json", config_of({kLower}))) ==
        "corrupt: X lacks the file 'l.tar', which its manifest.json names");
  CHECK(fault(with(good).file("c.json", config_of({})).file("l.tar", kLower)) ==
        "corrupt: the image in X has 1 layers but its configuration lists 0 diff ids");
  CHECK(fault(with(good).file("c.json", config_of({kLower}, "arm64")).file("l.tar", kLower)) ==
        "not_found: X has no image for linux/amd64; it has linux/arm64");
  CHECK_THAT(fault(with(good).file("c.json", config_of({kLower})).file("l.tar", kUpper)),
             Contains("does not match its digest"));
  for (const auto* target : {"l.tar", "../l.tar", "../../../../etc/passwd", "/etc/passwd"})
    CHECK(fault(with(good).file("c.json", config_of({kLower})).symlink("l.tar", target)) ==
          "corrupt: X lacks the file 'l.tar', which its manifest.json names");
  CHECK_THAT(fault(with("[" + item("[]", "", "../c.json") + "]")), Contains("corrupt: "));
  CHECK_THAT(fault(RawTar().header({.name = "manifest.json"}, 1 << 20)), Contains("corrupt: "));
  CHECK(error_of([&] {
          open_docker_archive(files.write("y.tar", RawTar().file("index.json", "{}").finish()), "");
        }) == concat("invalid_input: ", files.at("y.tar").string(),
                     " is not a Docker archive: it has no manifest.json | use oci-archive:FILE[:TAG]"));
}

TEST_CASE("a written Docker archive: plain layers, the same bytes each time, read by others") {
  const Files files;
  MemoryStore from;
  const auto image = make_image(from);
  const auto ours = files.at("ours.tar");
  export_docker_archive(from, image, "team/app", ours);
  export_docker_archive(from, image, "team/app", files.at("again.tar"));
  CHECK(read_file(ours) == read_file(files.at("again.tar")));
  const Copied back(ours, "team/app:latest");
  CHECK(back.manifest().layers[0].digest == Digest::of(kLower));
  CHECK(back.manifest().config.digest == Manifest::parse(from.bytes(image.digest), "m").config.digest);

  const auto where = [&](const char* name) { return files.at(name).string(); };
  const auto skopeo = [&](const std::string& a, const std::string& b) {
    run_tool({"skopeo", "--tmpdir", files.base.path().string(), "copy", a, b});
  };
  skopeo("docker-archive:" + where("ours.tar") + ":team/app:latest", "oci:" + where("layout") + ":v1");
  run_tool({"umoci", "unpack", "--image", where("layout") + ":v1", where("bundle")});
  CHECK(read_file(files.at("bundle") / "rootfs" / "file") == "upper");
  skopeo("oci:" + where("layout") + ":v1", "docker-archive:" + where("theirs.tar") + ":team/app:2");
  CHECK(Copied(files.at("theirs.tar"), "app:2").manifest().layers == back.manifest().layers);

  // A failed export leaves the old file and nothing else.
  const auto before = read_file(ours);
  from.damage(Manifest::parse(from.bytes(image.digest), "m").layers[1].digest, "");
  CHECK_THROWS(export_docker_archive(from, image, "team/app", ours));
  CHECK(read_file(ours) == before);
  CHECK(run_script("ls -A " + files.base.path().string() + " | grep -c tmp || true") == "0\n");
}

TEST_CASE("Docker's media types become OCI's") {
  const Files files;
  MemoryStore from;
  MemoryStore to;
  const auto image = make_image(from, "gzip");
  export_layout(from, image, "v1", files.at("oci"));
  run_tool({"skopeo", "--tmpdir", files.base.path().string(), "copy", "--format", "v2s2",
            "oci:" + files.at("oci").string() + ":v1", "dir:" + files.at("dir").string()});
  // A layout with Docker's manifest, as some tools make them.
  const auto docker = read_file(files.at("dir") / "manifest.json");
  CHECK_THAT(docker, Contains(std::string(media_type::kDockerManifest)));
  auto layout = ImageLayout::open_or_create(files.at("layout"));
  const auto manifest = Manifest::parse(docker, "docker");
  layout.put(read_file(files.at("dir") / manifest.config.digest.hex()), media_type::kDockerConfig);
  for (const auto& layer : manifest.layers)
    layout.put(read_file(files.at("dir") / layer.digest.hex()), media_type::kDockerLayerGzip);
  layout.tag("v1", layout.put(docker, media_type::kDockerManifest));

  const auto copied = import_layout(files.at("layout"), "v1", to);
  CHECK(copied.media_type == media_type::kManifest);
  const auto text = to.bytes(copied.digest);
  CHECK_THAT(text, !Contains("vnd.docker"));
  CHECK(Manifest::parse(text, "oci").layers[0].media_type == media_type::kLayerGzip);
  CHECK(Manifest::parse(text, "oci").config.digest == manifest.config.digest);
  CHECK(import_layout(files.at("layout"), "v1", to) == copied);

  auto foreign = manifest;
  foreign.layers[0].media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  layout.tag("v2", layout.put(foreign.to_json(), media_type::kDockerManifest));
  CHECK(brief_error_of([&] { import_layout(files.at("layout"), "v2", to); }) ==
        "unsupported: a layer of the type 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' is not "
        "in "
        "the image");
}
