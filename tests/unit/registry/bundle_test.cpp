// Bundles: written, read, split, continued, imported.
#include "base/text.hpp"
#include "oci/image_archive.hpp"
#include "registry/bundle/export_bundle.hpp"
#include "registry/bundle/import_bundle.hpp"
#include "registry/bundle/registry_inventory.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <memory>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeFixture;
using dash::testing::FakeRegistry;
using dash::testing::FakeRequest;
using dash::testing::noise;

namespace {

constexpr std::size_t kShared = 300'000;
constexpr std::size_t kOwn = 50'000;
constexpr std::size_t kNew = 20'000;

// Two images of one base, and the set a while later: one of them changed, and one is new.
struct Bundles : FakeFixture {
  oci::ImageLayout layout = oci::ImageLayout::open_or_create(directory.path() / "layout");
  std::shared_ptr<ImageSource> store = std::make_shared<StoreSource>(layout);
  oci::Descriptor app = image({kShared, kOwn});
  oci::Descriptor web = image({kShared, 1000});
  oci::Descriptor changed_web = image({kShared, kNew});
  std::vector<BundleItem> first = {item("a.example/team/app:1", app), item("a.example/web:1", web)};
  std::vector<BundleItem> second = {item("a.example/team/app:1", app), item("a.example/web:1", changed_web),
                                    item("b.example/web:2", app)};
  RegistrySession session{settings};
  fs::path file = directory.path() / "bundle.tar";

  oci::Descriptor image(const std::vector<std::size_t>& sizes) {
    oci::Manifest manifest{layout.put(oci::ImageConfig().to_json(), oci::media_type::kConfig), {}, {}};
    for (const auto size : sizes)
      manifest.layers.push_back(
          layout.put(noise(size, static_cast<unsigned>(size)), oci::media_type::kLayerZstd));
    return layout.put(manifest.to_json(), oci::media_type::kManifest);
  }
  BundleItem item(const std::string& name, const oci::Descriptor& what) { return {name, what, store}; }
  ExportReport write(const std::vector<BundleItem>& items, const std::optional<Inventory>& since = {},
                     std::uint64_t part_size = 0) {
    return BundleExport(session, items, since, events, {}).write(file, part_size);
  }
  std::string stream(const std::vector<BundleItem>& items, const std::optional<Inventory>& since = {}) {
    StringSink out;
    BundleExport(session, items, since, events, {}).stream(out);
    return out.take();
  }
  ImportTarget target(const FakeRegistry& registry, const std::string& prefix = {},
                      const std::vector<std::string>& rules = {}) {
    return {registry.address() + prefix, rules};
  }
  ImportReport import(const FakeRegistry& registry) {
    return import_bundle(session, BundleReader(file), target(registry), events, {});
  }
  ImportReport import(const std::string& bytes, const FakeRegistry& registry) {
    MemorySource in(bytes);
    return import_stream(session, in, "standard input", target(registry), events, {});
  }
  static bool writes(const FakeRegistry& registry) {
    return registry.count("POST", "") + registry.count("PUT", "") + registry.count("PATCH", "") > 0;
  }
  std::string digest(std::size_t size) {
    return oci::Digest::of(noise(size, static_cast<unsigned>(size))).to_string();
  }
};

}  // namespace

TEST_CASE("bundle: an image layout as a tar, the same bytes as a file and as a stream") {
  Bundles f;
  const auto report = f.write(f.first);
  CHECK(report.images == 2);
  CHECK(report.blobs == 4);  // three layers and the configuration
  CHECK(report.files == std::vector<fs::path>{f.file});
  const auto bytes = read_file(f.file);
  CHECK(bytes.size() == report.size);
  CHECK(f.stream(f.first) == bytes);
  CHECK(bytes.size() < kShared + kOwn + 1000 + 20'000);
  const auto opened = oci::open_image({oci::ImageLocation::Kind::archive, f.file, "a.example/web:1", {}});
  CHECK(opened.manifest.digest == f.web.digest);
  ThreadPool pool(2);
  CHECK(BundleReader(f.file).verify(pool, f.events, {}).empty());
}

TEST_CASE("bundle: more manifests than are kept in memory") {
  Bundles f;
  std::vector<BundleItem> items;
  for (char kind = 'a'; kind < 'g'; ++kind) {  // 21 MB
    oci::Manifest manifest{f.layout.put(oci::ImageConfig().to_json(), oci::media_type::kConfig), {}, {}};
    manifest.annotations["org.example.long"] = std::string(3'500'000, kind);
    items.push_back(f.item(concat("a.example/", kind, ":1"),
                           f.layout.put(manifest.to_json(), oci::media_type::kManifest)));
  }
  f.write(items);
  CHECK(read_file(f.file, 1U << 30) == f.stream(items));
  ThreadPool pool(2);
  CHECK(BundleReader(f.file).verify(pool, f.events, {}).empty());
}

TEST_CASE("bundle: imported with everything, each blob sent once, nothing sent again") {
  Bundles f;
  f.write(f.first);
  FakeRegistry registry;
  auto report = f.import(registry);
  CHECK(report.images == 2);
  CHECK(report.uploaded == 4);
  CHECK(report.mounted == 2);
  CHECK(registry.manifest("team/app", "1") == f.layout.read(f.app, 10'000));
  CHECK(registry.manifest("web", "1") == f.layout.read(f.web, 10'000));
  registry.forget_requests();
  report = f.import(registry);
  CHECK(report.present == 2);
  CHECK_FALSE(f.writes(registry));
}

TEST_CASE("bundle: a stream does the same") {
  Bundles f;
  FakeRegistry registry;
  f.settings.chunk_size = 100'000;
  auto report = f.import(f.stream(f.first), registry);
  CHECK(report.images == 2);
  CHECK(report.uploaded == 4);
  CHECK(report.mounted == 2);
  CHECK(registry.manifest("web", "1") == f.layout.read(f.web, 10'000));
  CHECK(f.import(f.stream(f.first), registry).present == 2);
}

TEST_CASE("bundle: a stream's blob goes on where a connection broke, and blobs go where mounts are refused") {
  Bundles f;
  FakeRegistry registry;
  registry.break_uploads_after(30'000, 2);
  registry.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method != "POST" || request.parameter("mount").empty()) return std::nullopt;
    FakeAnswer out;
    out.status = 405;
    return out;
  });
  const auto report = f.import(f.stream(f.first), registry);
  CHECK(report.images == 2);
  CHECK(report.mounted == 0);
  CHECK(registry.blob("web", f.digest(kShared)) == noise(kShared, kShared));
}

TEST_CASE("bundle: a delta has what is new, and needs the rest") {
  Bundles f;
  f.write(f.first);
  const auto since = BundleReader(f.file).index().inventory();
  FakeRegistry filled;
  f.import(filled);
  const auto report = f.write(f.second, since);
  CHECK(report.images == 2);
  CHECK(report.unchanged == 1);
  CHECK(report.blobs == 1);
  CHECK(report.size < kNew + 15'000);

  SECTION("an empty registry gets nothing") {
    FakeRegistry empty;
    CHECK(error_of([&] { f.import(empty); }) ==
          concat("not_found: ", empty.address(),
                 " lacks 4 of the 4 things that this bundle leaves out: image "
                 "a.example/team/app:1 (",
                 f.app.digest.to_string(), "); blob ", f.digest(kShared),
                 " (a.example/team/app, a.example/web); blob ", f.digest(kOwn),
                 " (a.example/team/app); blob ",
                 oci::Manifest::parse(f.layout.read(f.app, 10'000), "m").config.digest.to_string(),
                 " (a.example/team/app, a.example/web) | import the bundle that this one was made against "
                 "first; nothing "
                 "was written"));
    CHECK_FALSE(f.writes(empty));
    const auto text = error_of([&] { f.import(read_file(f.file), empty); });
    CHECK(contains(text, "lacks 4 of the 4 things"));
    CHECK_FALSE(f.writes(empty));
  }
  SECTION("one that has the first bundle gets the rest") {
    filled.forget_requests();
    const auto imported = f.import(filled);
    CHECK(imported.images == 2);
    CHECK(imported.unchanged == 1);
    CHECK(imported.uploaded == 1);
    CHECK(imported.bytes_sent == kNew);
    CHECK(filled.manifest("web", "1") == f.layout.read(f.changed_web, 10'000));
    CHECK(filled.manifest("web", "2") == f.layout.read(f.app, 10'000));
  }
  SECTION("the tags of what did not change are what they should be") {
    RegistryClient client(f.session, oci::Reference::parse(filled.address() + "/team/app"), {});
    client.put_manifest("1", f.layout.read(f.web, 10'000), std::string(oci::media_type::kManifest));
    const auto imported = f.import(filled);
    CHECK(imported.images == 3);
    CHECK(imported.unchanged == 0);
    CHECK(filled.manifest("team/app", "1") == f.layout.read(f.app, 10'000));
  }
  SECTION("from a stream, too") {
    CHECK(f.import(read_file(f.file), filled).bytes_sent == kNew);
    CHECK(filled.manifest("web", "2") == f.layout.read(f.app, 10'000));
  }
  SECTION("what it leaves out and says so is part of its inventory: deltas follow deltas") {
    const auto inventory = BundleReader(f.file).index().inventory();
    CHECK(f.write(f.second, inventory).images == 0);
  }
}

TEST_CASE("bundle: a registry's own inventory does as well") {
  Bundles f;
  f.write(f.first);
  FakeRegistry filled;
  f.import(filled);
  const auto inventory = read_registry_inventory(f.session, filled.address(), {});
  REQUIRE(inventory.images.size() == 2);
  CHECK(inventory.images[0].name == "team/app:1");
  CHECK(inventory.images[1].image.digest == f.web.digest);
  CHECK(Inventory::parse(inventory.to_json(), "x") == inventory);
  const auto report = f.write(f.second, inventory);
  CHECK(report.unchanged == 1);
  CHECK(report.blobs == 1);
  CHECK(f.import(filled).bytes_sent == kNew);
  CHECK(read_registry_inventory(f.session, filled.address() + "/team", {}).images.at(0).name == "app:1");
}

TEST_CASE("bundle: in parts") {
  Bundles f;
  const auto report = f.write(f.first, {}, 100'000);
  REQUIRE(report.files.size() == 4);
  CHECK(report.files[1] == f.file.string() + ".002");
  CHECK(fs::file_size(report.files[2]) == 100'000);
  std::string all;
  for (const auto& part : report.files) all += read_file(part);
  CHECK(all == f.stream(f.first));
  FakeRegistry registry;
  CHECK(f.import(registry).uploaded == 4);

  const auto text = [&] { return error_of([&] { BundleReader reader(f.file); }); };
  fs::rename(report.files[3], f.directory.path() / "aside");
  CHECK(text() == concat("not_found: part ", report.files[3].string(), " is missing: ", human_size(300'000),
                         " of ", human_size(report.size), " are there | put all parts into one directory"));
  fs::rename(f.directory.path() / "aside", report.files[3]);
  fs::rename(report.files[1], f.directory.path() / "aside");
  CHECK(text() == concat("not_found: part ", report.files[1].string(),
                         " is missing | put all parts into one directory"));
  fs::remove(report.files[0]);
  CHECK(contains(text(), concat("part ", report.files[0].string(), " is missing")));
  write_file(report.files[0], all.substr(0, 100'000));
  write_file(report.files[1], all.substr(100'000, 99'999));
  CHECK(text() == concat("corrupt: ", report.files[1].string(),
                         " has 99999 bytes, the first part has 100000 | copy that part again"));
  write_file(report.files[1], all.substr(100'000, 100'000));
  write_file(report.files[3], all.substr(300'000, 10'000));
  CHECK(text() == concat("corrupt: ", report.files[3].string(), " is cut off: 310000 of ", report.size,
                         " bytes are there | copy it again"));
  CHECK(error_of([&] { f.write(f.first, {}, 200'000); }) ==
        concat("usage: ", report.files[2].string(),
               " is a part of an older file, which has more parts than this one"
               " | remove the old parts, or choose another name"));
}

TEST_CASE("bundle: one name is a file or parts") {
  Bundles f;
  f.write(f.first);
  const auto part = f.file.string() + ".001";
  CHECK(
      error_of([&] { f.write(f.first, {}, 100'000); }) ==
      concat("usage: ", f.file.string(),
             " is of an older file in one piece of this name | remove the old one, or choose another name"));
  write_file(part, "x");
  CHECK(error_of([&] { BundleReader reader(f.file); }) == concat("usage: there are both ", f.file.string(),
                                                                 " and its part ", part,
                                                                 " | remove the one that is old"));
  fs::remove(f.file);
  CHECK(contains(error_of([&] { f.write(f.first); }), "is of an older file in parts of this name"));
}

TEST_CASE("bundle: an interrupted export keeps what is right of its parts") {
  Bundles f;
  f.write(f.first);
  const auto bytes = read_file(f.file);
  fs::rename(f.file, f.file.string() + ".part");
  // As after a crash: one blob is not there, another one is damaged.
  auto broken = bytes;
  const BundlePlan plan(BundleExport(f.session, f.first, {}, f.events, {}).index());
  const auto* own = plan.find(oci::Digest::of(noise(kOwn, kOwn)));
  broken.replace(own->offset, 512, std::string(512, '\0'));
  const auto* shared = plan.find(oci::Digest::of(noise(kShared, kShared)));
  broken[shared->content() + 1000] ^= 1;
  write_file(f.file.string() + ".part", broken);
  const auto report = f.write(f.first);
  CHECK(read_file(f.file) == bytes);
  std::uint64_t sizes = 0;
  for (const auto& planned : plan.blobs()) sizes += planned.blob.size;
  CHECK(report.resumed == sizes - kOwn - kShared);
}

TEST_CASE("bundle: damage is found and named") {
  Bundles f;
  f.write(f.first);
  const auto bytes = read_file(f.file);
  const BundlePlan plan(BundleReader(f.file).index());
  const auto* shared = plan.find(oci::Digest::of(noise(kShared, kShared)));
  ThreadPool pool(2);
  const auto verify = [&] { return BundleReader(f.file).verify(pool, f.events, {}); };
  auto broken = bytes;
  broken[shared->content() + 5] ^= 1;
  write_file(f.file, broken);
  REQUIRE(verify().size() == 1);
  CHECK(contains(verify()[0],
                 concat(f.digest(kShared), " in ", f.file.string(), " does not match its digest")));
  FakeRegistry registry;
  CHECK(contains(error_of([&] { f.import(registry); }), "does not match its digest"));
  CHECK(
      contains(error_of([&] { f.import(broken, registry); }), "in standard input does not match its digest"));
  CHECK_FALSE(registry.manifest("web", "1"));
  CHECK_FALSE(registry.blob("team/app", f.digest(kShared)));

  broken = bytes;
  broken[shared->offset] ^= 1;
  write_file(f.file, broken);
  CHECK(verify() ==
        std::vector<std::string>{concat(f.file.string(), " is damaged before ", f.digest(kShared))});

  const auto error_at = [&](std::size_t at) {
    auto text = bytes;
    text[at] ^= 1;
    write_file(f.file, text);
    return error_of([&] { BundleReader reader(f.file); });
  };
  CHECK(error_at(0) ==
        concat("invalid_input: ", f.file.string(),
               " is no bundle of 'dash-build mirror export' | an image in an archive of another "
               "program: dash-build copy oci-archive:FILE docker://…"));
  CHECK(contains(error_at(plan.front().size() - 1), "its index.json and bundle.json do not fit"));
  CHECK(contains(error_of([&] { f.import(bytes.substr(0, 3000), registry); }), "ends within its index"));
  for (const auto& text : {bytes.substr(0, bytes.size() - 1000), bytes + "x"})
    CHECK_FALSE(error_of([&] { f.import(text, registry); }).empty());
  CHECK_FALSE(registry.manifest("web", "1"));
  CHECK(contains(error_of([&] { f.import(bytes.substr(0, shared->content() + 9), registry); }),
                 "is cut short"));
  write_file(f.file, bytes + "x");
  CHECK(contains(error_of([&] { BundleReader reader(f.file); }), " has 1 bytes more than the bundle"));
}

TEST_CASE("bundle: indexes that are none") {
  const auto parse = [](const std::string& json) {
    return error_of([&] { BundleIndex::parse(json, "bundle.json of b"); });
  };
  CHECK(parse("{") ==
        "corrupt: bundle.json of b is damaged: it has no \"bundleVersion\" | get the file again, or "
        "make it anew");
  CHECK(parse(R"({"bundleVersion": 2})") ==
        "unsupported: bundle.json of b has version 2; this program knows version 1 | use a newer dash-build");
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto blobs = [&](const std::string& entries) {
    return parse(concat(R"({"bundleVersion":1,"images":[],"documents":[)", entries,
                        R"(],"blobs":[],"required":{"images":[],"blobs":[]}})"));
  };
  const auto entry = [&](const std::string& size, const std::string& repository) {
    return concat(R"({"mediaType":"x","digest":")", digest, R"(","size":)", size, R"(,"repositories":[")",
                  repository, "\"]}");
  };
  CHECK(contains(blobs(entry("1", "a") + ',' + entry("1", "a")), "is listed twice"));
  CHECK(contains(blobs(entry("-1", "a")), "there is no \"size\""));
  CHECK(contains(blobs(entry("18446744073709551615", "a")), "the sizes are impossible"));
  CHECK(contains(blobs(entry("1", "../A")), "is damaged: "));
  CHECK(contains(blobs("[]"), "an entry is no object"));
  CHECK(contains(
      parse(concat(R"({"bundleVersion":1,"images":[{"name":"a:1","mediaType":"x","digest":")", digest,
                   R"(","size":1}],"documents":[],"blobs":[],"required":{"images":[],"blobs":[]}})")),
      "it lacks the manifest of a:1"));
}

TEST_CASE("import: names at the destination") {
  const ImportTarget plain("r.example:5000", {});
  CHECK(plain.name_of("a.example/team/app:1").to_string() == "r.example:5000/team/app:1");
  CHECK(plain.name_of("team/app:1").to_string() == "r.example:5000/team/app:1");
  const auto digest = "sha256:" + std::string(64, 'a');
  CHECK(plain.name_of("a.example/app@" + digest).to_string() == "r.example:5000/app@" + digest);
  const ImportTarget mapped("r.example/mirror/x",
                            {"a.example=a", "a.example/team=platform", "b.example/app=app2"});
  CHECK(mapped.name_of("a.example/team/app:1").to_string() == "r.example/mirror/x/platform/app:1");
  CHECK(mapped.name_of("a.example/teams/app:1").to_string() == "r.example/mirror/x/a/teams/app:1");
  CHECK(mapped.name_of("b.example/app:1").to_string() == "r.example/mirror/x/app2:1");
  CHECK(error_of([] { ImportTarget("name", {}); }) ==
        "usage: 'name' names no registry | a registry has a dot or a port in its name: "
        "REGISTRY[:PORT][/PREFIX]");
  CHECK(error_of([] { ImportTarget("r.example", {"x"}); }) ==
        "usage: --map 'x' is not FROM=TO | for example --map registry.example/team=platform");
  Bundles f;
  f.write({f.item("a.example/web:1", f.app), f.item("b.example/web:1", f.web)});
  FakeRegistry registry;
  CHECK(error_of([&] { f.import(registry); }) ==
        concat("usage: a.example/web:1 and b.example/web:1 would both become ", registry.address(),
               "/web:1 | tell them apart with --map FROM=TO; nothing was written"));
}
