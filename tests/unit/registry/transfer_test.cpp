// Whole images: pushed, pulled and copied between registries.
#include "base/text.hpp"
#include "registry/puller.hpp"
#include "registry/pusher.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeFixture;
using dash::testing::FakeRequest;
using dash::testing::noise;

namespace {

struct Images : FakeFixture {
  oci::ImageLayout layout = oci::ImageLayout::open_or_create(directory.path() / "layout");
  oci::ImageLayout other = oci::ImageLayout::open_or_create(directory.path() / "other");

  oci::Descriptor image(const std::vector<std::size_t>& sizes, const std::string& architecture = "amd64",
                        std::string_view layer_type = oci::media_type::kLayerZstd) {
    oci::ImageConfig config;
    config.platform.architecture = architecture;
    oci::Manifest manifest{layout.put(config.to_json(), oci::media_type::kConfig), {}, {}};
    for (const auto size : sizes)
      manifest.layers.push_back(layout.put(noise(size, static_cast<unsigned>(size)), layer_type));
    return layout.put(manifest.to_json(), oci::media_type::kManifest);
  }
  PushReport push(RegistrySession& session, const oci::Descriptor& what, const std::string& to) {
    StoreSource source(layout);
    return Pusher(session, events, {}).push(source, what, name(to));
  }
  PullReport pull(RegistrySession& session, const std::string& from, PullOptions options = {}) {
    return Puller(session, events, {}).pull(name(from), other, options);
  }
};

}  // namespace

TEST_CASE("push: each blob once, the tag last; nothing to do costs one request") {
  Images f;
  RegistrySession session(f.settings);
  const auto image = f.image({1000, 5000, 5000, 20});
  const auto report = f.push(session, image, "team/app:1");
  CHECK(report.uploaded == 4);
  CHECK(f.server.count("POST", "/blobs/uploads/") == 4);
  CHECK(f.server.lines().back() == "PUT /v2/team/app/manifests/1");
  CHECK(f.server.manifest("team/app", "1") == f.layout.read(image, 100'000));
  f.server.forget_requests();
  CHECK(f.push(session, image, "team/app:1").outcome == PushReport::Outcome::present);
  CHECK(f.server.lines() == std::vector<std::string>{"HEAD /v2/team/app/manifests/1"});
  CHECK(f.push(session, image, "team/app:2").there == 4);
}

TEST_CASE("push: what one pusher has sent is mounted into other repositories") {
  Images f;
  RegistrySession session(f.settings);
  StoreSource source(f.layout);
  Pusher pusher(session, f.events, {});
  pusher.push(source, f.image({1000, 250'000}), f.name("a:1"));
  const auto report = pusher.push(source, f.image({1000, 250'000, 7}), f.name("b:1"));
  CHECK(report.mounted == 3);
  CHECK(report.uploaded == 1);
}

TEST_CASE("push: a set's blobs are read and sent once, largest first, and mounted elsewhere") {
  Images f;
  f.settings.parallel = 1;
  RegistrySession session(f.settings);
  StoreSource source(f.layout);
  const auto first = f.image({9000, 1000});
  const auto second = f.image({9000, 5000});
  const std::vector<PushItem> items = {
      {&source, first, f.name("a:1")}, {&source, second, f.name("b:1")}, {&source, first, f.name("a:2")}};
  const auto outcomes = Pusher(session, f.events, {}).push_all(items);
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].report.uploaded == 3);
  CHECK(outcomes[1].report.uploaded == 1);
  CHECK(outcomes[1].report.mounted == 2);
  CHECK(outcomes[2].report.there == 3);
  CHECK(outcomes[0].report.bytes_sent + outcomes[1].report.bytes_sent ==
        9000 + 1000 + 5000 + oci::Manifest::parse(f.layout.read(first, 10'000), "m").config.size);
  std::vector<std::size_t> sent;
  for (const auto& request : f.server.requests())
    if (!request.body.empty() && contains(request.target, "/uploads/")) sent.push_back(request.body.size());
  CHECK(std::is_sorted(sent.rbegin(), sent.rend()));
  f.server.forget_requests();
  for (const auto& outcome : Pusher(session, f.events, {}).push_all(items))
    CHECK(outcome.report.outcome == PushReport::Outcome::present);
  CHECK(f.server.lines() == std::vector<std::string>{"HEAD /v2/a/manifests/1", "HEAD /v2/b/manifests/1",
                                                     "HEAD /v2/a/manifests/2"});
}

TEST_CASE("push: in a set that goes on, a failure concerns the images that need what failed") {
  Images f;
  RegistrySession session(f.settings);
  StoreSource source(f.layout);
  const auto good = f.image({9000, 1000});
  const auto bad = f.image({9000, 5000});
  fs::remove(f.layout.blob_path(oci::Manifest::parse(f.layout.read(bad, 10'000), "m").layers[1].digest));
  PushOptions options;
  options.on_failure = PushOptions::OnFailure::go_on;
  const std::vector<PushItem> items = {
      {&source, bad, f.name("a:1")}, {&source, good, f.name("b:1")}, {&source, bad, f.name("c:1")}};
  const auto outcomes = Pusher(session, f.events, {}).push_all(items, options);
  CHECK(outcomes[0].failure);
  CHECK_FALSE(outcomes[1].failure);
  CHECK(outcomes[2].failure);
  CHECK(contains(error_of([&] { std::rethrow_exception(outcomes[2].failure); }), "not_found: blob sha256:"));
  CHECK_FALSE(f.server.manifest("a", "1"));
  CHECK(f.server.manifest("b", "1"));
  CHECK_FALSE(f.server.manifest("c", "1"));
  CHECK(
      contains(error_of([&] { Pusher(session, f.events, {}).push_all(items); }), "not_found: blob sha256:"));
}

TEST_CASE("push: a mount that is refused becomes an upload") {
  for (const int status : {202, 404, 405, 403}) {
    INFO(status);
    Images f;
    f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (request.method != "POST" || request.parameter("mount").empty() || status == 202)
        return std::nullopt;
      FakeAnswer out;
      out.status = status;
      return out;
    });
    RegistrySession session(f.settings);
    StoreSource source(f.layout);
    PushOptions options;
    options.mount_from = {"nothing/here"};
    const auto report = Pusher(session, f.events, {}).push(source, f.image({1000}), f.name("a:1"), options);
    CHECK(report.uploaded == 2);
    CHECK(report.mounted == 0);
  }
}

TEST_CASE("push: foreign layers stay where they are") {
  Images f;
  RegistrySession session(f.settings);
  const auto image = f.image({1000}, "amd64", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
  CHECK(f.push(session, image, "a:1").uploaded == 1);
}

TEST_CASE("push: a failure stops everything and leaves no tag") {
  Images f;
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method != "PUT" || !contains(request.target, "/uploads/")) return std::nullopt;
    FakeAnswer out;
    out.status = 403;
    out.body = R"({"errors":[{"code":"DENIED","message":"quota\nexceeded"}]})";
    return out;
  });
  RegistrySession session(f.settings);
  const auto text = error_of([&] { f.push(session, f.image({1000, 2000}), "a:1"); });
  CHECK(contains(text, "denied: PUT http://"));
  CHECK(contains(text, ": 403 DENIED: quota exceeded | "));
  CHECK_FALSE(f.server.manifest("a", "1"));
}

TEST_CASE("pull: an index, or one platform of it") {
  Images f;
  RegistrySession session(f.settings);
  oci::Index index;
  for (const auto* architecture : {"amd64", "arm64"}) {
    auto image = f.image({1000, 3000}, architecture);
    image.platform = oci::Platform{"linux", architecture, ""};
    index.manifests.push_back(image);
  }
  const auto root = f.layout.put(index.to_json(), oci::media_type::kIndex);
  CHECK(f.push(session, root, "multi:1").uploaded == 4);
  PullOptions options;
  options.platform = oci::Platform{"linux", "arm64", ""};
  options.name = "multi:1";
  CHECK(f.pull(session, "multi:1", options).fetched == 3);
  CHECK(f.other.load(*f.other.find("multi:1")).config.platform.architecture == "arm64");
  CHECK(f.pull(session, "multi:1").fetched == 1);
  CHECK(f.other.contains(root.digest));
  CHECK(f.other.validate().empty());
  options.platform->architecture = "s390x";
  CHECK(contains(error_of([&] { f.pull(session, "multi:1", options); }), "not_found: "));
  CHECK(error_of([&] { f.pull(session, "multi:2"); }) ==
        concat("not_found: ", f.server.address(), "/multi has no 2 | 'dash-build tags ", f.server.address(),
               "/multi' lists what is there"));
}

TEST_CASE("pull: an interrupted blob is continued by the next run, a wrong part is not believed") {
  Images f;
  f.settings.retry.retries = 0;
  RegistrySession session(f.settings);
  const auto image = f.image({700'000});
  f.push(session, image, "a:1");
  const auto blob = oci::Manifest::parse(f.layout.read(image, 10'000), "m").layers[0];
  const auto part = f.other.blob_path(blob.digest).string() + ".part";
  write_file_atomic(part, noise(700'000, 700'000).substr(0, 400'000));
  auto report = f.pull(session, "a:1");
  CHECK(report.bytes_resumed == 400'000);
  CHECK(f.other.validate().empty());
  CHECK_FALSE(fs::exists(part));

  fs::remove(f.other.blob_path(blob.digest));
  write_file_atomic(part, std::string(400'000, 'x'));
  f.pull(session, "a:1");
  CHECK(f.other.contains(blob.digest));
}

TEST_CASE("pull: a wrong blob never becomes visible") {
  Images f;
  RegistrySession session(f.settings);
  const auto image = f.image({700'000});
  f.push(session, image, "a:1");
  const auto blob = oci::Manifest::parse(f.layout.read(image, 10'000), "m").layers[0];
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (!contains(request.target, blob.digest.hex())) return std::nullopt;
    FakeAnswer out;
    out.body = std::string(700'000, 'x');
    return out;
  });
  const auto text = error_of([&] { f.pull(session, "a:1"); });
  CHECK(contains(text, concat("corrupt: blob ", blob.digest.to_string(), " of ", f.server.address(),
                              "/a does not match its digest: found sha256:")));
  CHECK_FALSE(f.other.contains(blob.digest));
  CHECK_FALSE(f.other.contains(image.digest));
}

TEST_CASE("copy: from registry to registry, with connections that break on both sides") {
  Images f;
  f.settings.retry.retries = 5;
  RegistrySession session(f.settings);
  const auto image = f.image({700'000, 1000});
  f.push(session, image, "a:1");
  dash::testing::FakeRegistry target;
  target.break_uploads_after(30'000, 3);
  const auto large = oci::Manifest::parse(f.layout.read(image, 10'000), "m").layers[0].digest.to_string();
  std::atomic<int> breaks = 2;
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method != "GET" || !contains(request.target, large) || !request.header("range").empty() ||
        breaks-- <= 0)
      return std::nullopt;
    FakeAnswer out;
    out.body = noise(700'000, 700'000);
    out.drop_after = 350'000;
    return out;
  });
  RegistryClient from(session, f.name("a"), {});
  RepositorySource source(from);
  const auto to = oci::Reference::parse(target.address() + "/b:1");
  const auto report = Pusher(session, f.events, {}).push(source, image, to);
  CHECK(report.uploaded == 3);
  CHECK(target.blob("b", large) == noise(700'000, 700'000));
  CHECK(target.manifest("b", "1") == f.server.manifest("a", "1"));
  // Within one registry blobs are mounted.
  CHECK(Pusher(session, f.events, {}).push(source, image, f.name("c:1")).mounted == 3);
}

namespace {

// hosts.toml that sends what is read from `origin` to the mirrors first.
void put_mirrors(dash::testing::FakeFixture& f, const std::vector<std::string>& mirrors) {
  const auto certs = f.directory.path() / "certs.d";
  make_directories(certs / f.server.address());
  std::string text = concat("server = \"http://", f.server.address(), "\"\n");
  for (const auto& mirror : mirrors)
    text += concat("[host.\"http://", mirror, "\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
  write_file_atomic(certs / f.server.address() / "hosts.toml", text);
  f.settings.hosts.certs_directories = {certs};
}

}  // namespace

TEST_CASE("mirrors: wrong content is not believed, the next one is asked") {
  struct Case {
    const char* what;
    std::string part;  // of the path
    FakeAnswer wrong;
  };
  FakeAnswer other;
  other.body = noise(70'000, 99);
  FakeAnswer shorter;
  shorter.body = noise(1000, 99);
  FakeAnswer cut = other;
  cut.length = FakeAnswer::Length::left_out;
  cut.body.resize(50'000);
  FakeAnswer document;
  document.headers = {{"Content-Type", std::string(oci::media_type::kManifest)}};
  document.body = "{}";
  FakeAnswer broken;
  broken.status = 500;
  const Case cases[] = {{"a blob of another content", "/blobs/", other},
                        {"of another size", "/blobs/", shorter},
                        {"one that ends early", "/blobs/", cut},
                        {"a manifest", "/manifests/", document},
                        {"errors", "/", broken}};
  for (const auto& c : cases) {
    INFO(c.what);
    Images f;
    dash::testing::FakeRegistry liar;
    dash::testing::FakeRegistry honest;
    const auto image = f.image({70'000});
    {
      RegistrySession session(f.settings);
      f.push(session, image, "a:1");
    }
    liar.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (request.method == "HEAD") return std::nullopt;
      if (!contains(request.target, c.part)) return std::nullopt;
      return c.wrong;
    });
    const auto manifest = f.layout.read(image, 100'000);
    for (auto* mirror : {&liar, &honest}) {
      mirror->add_manifest("a", "1", manifest, image.media_type);
      const auto parsed = oci::Manifest::parse(manifest, "test");
      for (const auto& blob : {parsed.config, parsed.layers[0]})
        mirror->add_blob("a", f.layout.read(blob, 100'000));
    }
    put_mirrors(f, {liar.address(), honest.address()});
    RegistrySession session(f.settings);
    f.server.forget_requests();
    const auto report = f.pull(session, "a:1");
    CHECK(report.fetched == 2);
    CHECK(f.other.validate().empty());
    CHECK(f.server.lines().empty());  // the honest mirror had it all
    CHECK(liar.count("GET", "") >= 1);

    // The same on the way to another registry, where the wrong bytes were sent already.
    dash::testing::FakeRegistry target;
    RegistryClient client(session, f.name("a:1"), {});
    RepositorySource source(client);
    Pusher(session, f.events, {}).push(source, image, oci::Reference::parse(target.address() + "/b:1"));
    for (const auto& blob : oci::Manifest::parse(manifest, "test").layers)
      CHECK(target.blob("b", blob.digest.to_string()) == f.layout.read(blob, 100'000));
  }
}

TEST_CASE("mirrors: one that does not answer is asked once") {
  Images f;
  const auto image = f.image({3000, 4000, 5000});
  {
    RegistrySession session(f.settings);
    f.push(session, image, "a:1");
  }
  put_mirrors(f, {"127.0.0.1:1"});
  RegistrySession session(f.settings);
  CHECK(f.pull(session, "a:1").fetched == 4);
}

TEST_CASE("push: a later run mounts what an earlier one saw elsewhere in the registry") {
  Images f;
  const auto image = f.image({1000, 250'000});
  {
    RegistrySession session(f.settings);
    f.push(session, image, "a:1");
  }
  RegistrySession session(f.settings);
  const auto report = f.push(session, image, "b:1");
  CHECK(report.mounted == 3);
  CHECK(report.bytes_sent == 0);
  BlobPlaces places(places_directory(f.settings.state_directory));
  CHECK(places.find(f.server.address(), image.digest) == std::nullopt);
  const auto layer = oci::Manifest::parse(f.layout.read(image, 10'000), "m").layers[0].digest;
  CHECK(places.find(f.server.address(), layer) == "b");
  places.remove_before(std::time(nullptr) + 10);
  CHECK(places.find(f.server.address(), layer) == std::nullopt);
  // A hint that is wrong costs nothing but the request.
  places.note(f.server.address(), layer, "nothing/here");
  CHECK(f.push(session, image, "c:1").outcome == PushReport::Outcome::pushed);
  places.note(f.server.address(), layer, "../x");
  CHECK(places.find(f.server.address(), layer) == std::nullopt);
}

TEST_CASE("push: what the registry itself has decides, not what its mirror has") {
  Images f;
  dash::testing::FakeRegistry mirror;
  const auto certs = f.directory.path() / "certs.d" / f.server.address();
  make_directories(certs);
  write_file(certs / "hosts.toml",
             concat("server = \"http://", f.server.address(), "\"\n[host.\"http://", mirror.address(),
                    "\"]\n  capabilities = [\"pull\", \"resolve\"]\n"));
  f.settings.hosts.certs_directories = {f.directory.path() / "certs.d"};
  RegistrySession session(f.settings);
  StoreSource source(f.layout);
  const auto image = f.image({1000});
  Pusher(session, f.events, {}).push(source, image, oci::Reference::parse(mirror.address() + "/team/app:1"));
  CHECK(f.push(session, image, "team/app:1").outcome == PushReport::Outcome::pushed);
  CHECK(f.server.manifest("team/app", "1"));
}

TEST_CASE("push: a blob of another size at the destination is sent again") {
  Images f;
  RegistrySession session(f.settings);
  const auto image = f.image({70'000});
  const auto layer = oci::Manifest::parse(f.layout.read(image, 10'000), "m").layers[0];
  f.server.set_hook([&, sent = false](const FakeRequest& request) mutable -> std::optional<FakeAnswer> {
    if (request.method == "PUT" && contains(request.target, layer.digest.hex())) sent = true;
    if (request.method != "HEAD" || !contains(request.target, layer.digest.hex()) || sent)
      return std::nullopt;
    FakeAnswer out;
    out.announced_length = 0;
    return out;
  });
  CHECK(f.push(session, image, "a:1").uploaded == 2);
  CHECK(f.server.blob("a", layer.digest.to_string()) == noise(70'000, 70'000));
}
