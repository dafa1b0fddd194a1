// Mirrors: which images are meant, and how they get to their destinations.
#include "registry/mirror/mirror_sync.hpp"

#include "base/text.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeFixture;
using dash::testing::FakeRegistry;
using dash::testing::FakeRequest;
using dash::testing::noise;
using Outcome = SyncedImage::Outcome;

namespace {

constexpr auto kIndex = "application/vnd.oci.image.index.v1+json";
constexpr auto kManifest = "application/vnd.oci.image.manifest.v1+json";

// The fixture's server is the source.
struct Mirrors : FakeFixture {
  FakeRegistry target;

  Mirrors() { settings.retry.retries = 0; }

  // An image of one layer; others for other seeds.
  std::string image(const std::string& repository, const std::string& reference, unsigned seed,
                    const std::string& architecture = "amd64", const std::string& more = {}) {
    const auto layer = noise(1000, seed);
    const auto config = concat(R"({"architecture":")", architecture, R"(","os":"linux"})");
    server.add_blob(repository, layer);
    server.add_blob(repository, config);
    const auto descriptor = [](const std::string& type, const std::string& bytes) {
      return concat(R"({"mediaType":")", type, R"(","digest":")", oci::Digest::of(bytes).to_string(),
                    R"(","size":)", bytes.size(), '}');
    };
    const auto bytes =
        concat(R"({"schemaVersion":2,"config":)", descriptor(std::string(oci::media_type::kConfig), config),
               R"(,"layers":[)", descriptor(std::string(oci::media_type::kLayerGzip), layer), ']', more, '}');
    const auto digest = oci::Digest::of(bytes).to_string();
    server.add_manifest(repository, digest, bytes, kManifest);
    if (!reference.empty()) server.add_manifest(repository, reference, bytes, kManifest);
    return digest;
  }
  std::string entry(const std::string& repository, const std::string& digest, const std::string& more) const {
    return concat(R"({"mediaType":")", kManifest, R"(","digest":")", digest, R"(","size":)",
                  server.manifest(repository, digest)->size(), more, '}');
  }
  static std::string on(const std::string& architecture, const std::string& variant = {}) {
    return concat(R"(,"platform":{"architecture":")", architecture, R"(","os":"linux")",
                  variant.empty() ? "" : concat(R"(,"variant":")", variant, '"'), '}');
  }
  std::string index(const std::string& repository, const std::string& tag,
                    const std::vector<std::string>& entries) {
    const auto bytes = concat(R"({"schemaVersion":2,"mediaType":")", kIndex, R"(","manifests":[)",
                              join(entries, ","), R"(],"annotations":{"a":"b"},"x-unknown":[1.5]})");
    const auto digest = oci::Digest::of(bytes).to_string();
    server.add_manifest(repository, digest, bytes, kIndex);
    server.add_manifest(repository, tag, bytes, kIndex);
    return digest;
  }
  // amd64, arm64 and arm/v7 with an attestation each for the first two.
  struct Multi {
    std::string root;
    std::string amd64;
    std::string arm64;
    std::string attestation;
  };
  Multi multi(const std::string& repository, const std::string& tag) {
    Multi out;
    out.amd64 = image(repository, {}, 1, "amd64");
    out.arm64 = image(repository, {}, 2, "arm64");
    const auto arm = image(repository, {}, 3, "arm");
    out.attestation = image(repository, {}, 4, "unknown");
    const auto about = [](const std::string& digest) {
      return concat(R"(,"annotations":{"vnd.docker.reference.digest":")", digest, R"("})", on("unknown"));
    };
    out.root =
        index(repository, tag,
              {entry(repository, out.amd64, on("amd64")), entry(repository, out.arm64, on("arm64")),
               entry(repository, arm, on("arm", "v7")), entry(repository, out.attestation, about(out.amd64)),
               entry(repository, image(repository, {}, 5, "unknown"), about(arm))});
    return out;
  }
  // What refers to `subject`.
  std::string referrer(const std::string& repository, const std::string& subject, unsigned seed) {
    return image(repository, {}, seed, "unknown",
                 concat(R"(,"artifactType":"text/x","subject":{"mediaType":")", kManifest, R"(","digest":")",
                        subject, R"(","size":)", server.manifest(repository, subject)->size(), '}'));
  }

  MirrorList list(const std::string& images, const std::string& head = {}) const {
    auto text = concat(head, "destination = \"", target.address(), "/m/{repository}\"\n", images);
    for (auto at = text.find("SRC"); at != std::string::npos; at = text.find("SRC"))
      text.replace(at, 3, server.address());
    for (auto at = text.find("DST"); at != std::string::npos; at = text.find("DST"))
      text.replace(at, 3, target.address());
    return MirrorList::parse(text, "m.toml");
  }
  SyncReport sync(const MirrorList& what, SyncOptions options = {}) {
    RegistrySession session(settings);
    return sync_mirror(session, what, events, {}, options);
  }
  std::vector<std::string> brief(const SyncReport& report) const {
    std::vector<std::string> out;
    for (const auto& image : report.images) {
      const auto outcome = image.outcome == Outcome::present  ? "present "
                           : image.outcome == Outcome::copied ? "copied "
                                                              : "failed ";
      out.push_back(outcome + (image.destination ? image.destination->to_string() : "?")
                                  .substr(std::min<std::size_t>(target.address().size() + 1, 100)));
    }
    return out;
  }
  std::vector<std::string> pruned(const SyncReport& report) const {
    std::vector<std::string> out;
    for (const auto& tag : report.pruned) out.push_back(tag.tag.repository + ':' + tag.tag.tag);
    return out;
  }
};

}  // namespace

TEST_CASE("mirror: images get to their destinations, and a second run costs one HEAD at either side") {
  Mirrors f;
  for (unsigned i = 0; i < 12; ++i) f.image("team/app", concat("1.", i), i);
  f.image("other", "latest", 100);
  const auto list = f.list(R"(
[[image]]
source = "SRC/team/app"
tags = ["1.*"]
[[image]]
source = "SRC/other:latest"
)");
  auto report = f.sync(list);
  CHECK_FALSE(report.failed());
  REQUIRE(report.images.size() == 13);
  CHECK(report.images[0].outcome == Outcome::copied);
  CHECK(report.images[0].transfer.uploaded == 2);
  CHECK(f.target.manifest("m/team/app", "1.11") == f.server.manifest("team/app", "1.11"));
  CHECK(f.target.manifest("m/other", "latest") == f.server.manifest("other", "latest"));

  f.server.forget_requests();
  f.target.forget_requests();
  report = f.sync(list);
  CHECK(std::all_of(report.images.begin(), report.images.end(),
                    [](const auto& image) { return image.outcome == Outcome::present; }));
  CHECK(f.server.count("HEAD", "/manifests/") == 13);
  CHECK(f.server.count("GET", "/v2/team/app/tags/list") == 6);  // pages of two
  CHECK(f.server.requests().size() == 13 + 6);
  CHECK(f.target.count("HEAD", "/manifests/") == 13);
  CHECK(f.target.requests().size() == 13);

  const auto changed = f.image("other", "latest", 101);
  report = f.sync(list);
  CHECK(report.images.back().outcome == Outcome::copied);
  CHECK(report.images.back().digest->to_string() == changed);
  CHECK(report.images.back().replaced);
  CHECK(report.images.back().transfer.uploaded == 1);  // the configuration is the same
  CHECK(std::count_if(report.images.begin(), report.images.end(),
                      [](const auto& image) { return image.outcome == Outcome::copied; }) == 1);
}

TEST_CASE("mirror: dry run writes nothing and says what would be done") {
  Mirrors f;
  f.image("app", "1", 1);
  const auto list = f.list("[[image]]\nsource = \"SRC/app\"\n", "prune = true\n");
  f.target.add_manifest("m/app", "old", "{}", kManifest);
  SyncOptions options;
  options.mode = SyncMode::show;
  const auto report = f.sync(list, options);
  CHECK(f.brief(report) == std::vector<std::string>{"copied m/app:1"});
  CHECK(f.pruned(report) == std::vector<std::string>{"m/app:old"});
  for (const auto& request : f.target.requests())
    CHECK((request.method == "HEAD" || request.method == "GET"));
  CHECK(f.target.manifest("m/app", "old"));
}

TEST_CASE("mirror: a failure does not keep the others, unless that is wanted") {
  Mirrors f;
  f.image("a", "1", 1);
  f.image("b", "1", 2);
  f.image("c", "1", 3);
  f.server.set_hook([](const FakeRequest& request) -> std::optional<FakeAnswer> {
    FakeAnswer out;
    out.status = 403;
    if (contains(request.target, "/v2/closed/") || contains(request.target, "/v2/b/blobs/")) return out;
    return std::nullopt;
  });
  const auto list = f.list(R"(
[[image]]
source = "SRC/closed"
[[image]]
source = "SRC/a:2"
[[image]]
source = "SRC/b"
[[image]]
source = "SRC/c:1"
[[image]]
source = "SRC/a"
tags = ["2.*"]
)");
  const auto report = f.sync(list);
  CHECK(report.failed());
  CHECK(f.brief(report) ==
        std::vector<std::string>{"failed m/b:1", "copied m/c:1", "failed m/closed", "failed m/a"});
  CHECK(f.target.manifest("m/c", "1"));
  CHECK_FALSE(f.target.manifest("m/b", "1"));
  REQUIRE(report.unmatched.size() == 1);
  CHECK(report.unmatched[0].source.to_string() == f.server.address() + "/a");
  CHECK(error_of([&] { std::rethrow_exception(report.images[3].failure); }) ==
        concat("not_found: ", f.server.address(), "/a has no 2 | 'dash-build tags ", f.server.address(),
               "/a' lists what is there"));
  SyncOptions options;
  options.on_failure = PushOptions::OnFailure::stop;
  CHECK(contains(error_of([&] { f.sync(list, options); }), "denied: GET http://"));
}

TEST_CASE("mirror: an image without destination is refused before anything is asked") {
  Mirrors f;
  const auto list = MirrorList::parse("[[image]]\nsource = \"r.example/a\"\n", "m.toml");
  CHECK(error_of([&] { f.sync(list); }) ==
        "invalid_input: m.toml:1:1: r.example/a has no destination | add destination = "
        "\"mirror.example:5000/{repository}\" to the image, or before the first [[image]] for all");
}

TEST_CASE("mirror: two images for one destination") {
  Mirrors f;
  f.image("a", "1", 1);
  f.image("b", "1", 2);
  f.image("b", "2", 1);
  const auto report = f.sync(f.list(R"(
[[image]]
source = "SRC/a:1"
destination = "DST/all"
[[image]]
source = "SRC/b"
destination = "DST/all:1"
)"));
  CHECK(f.brief(report) == std::vector<std::string>{"copied all:1", "failed all"});
  CHECK(error_of([&] { std::rethrow_exception(report.images[1].failure); }) ==
        concat("invalid_input: ", f.target.address(), "/all:1 is the destination of both ",
               f.server.address(), "/a:1 and ", f.server.address(),
               "/b:1 | give one of them another 'destination', or leave it out with 'exclude'"));
}

TEST_CASE("mirror: platforms of an index") {
  Mirrors f;
  const auto multi = f.multi("app", "1");
  SECTION("all") {
    f.sync(f.list("[[image]]\nsource = \"SRC/app:1\"\n"));
    CHECK(f.target.manifest("m/app", "1") == f.server.manifest("app", "1"));
  }
  SECTION("all, by name") {
    f.sync(
        f.list("[[image]]\nsource = \"SRC/app:1\"\n"
               "platforms = [\"linux/arm\", \"linux/arm64\", \"linux/amd64\"]\n"));
    CHECK(f.target.manifest("m/app", "1") == f.server.manifest("app", "1"));
  }
  SECTION("one is that image itself") {
    f.sync(f.list("[[image]]\nsource = \"SRC/app:1\"\nplatforms = [\"linux/arm64/v8\"]\n"));
    CHECK(f.target.manifest("m/app", "1") == f.server.manifest("app", multi.arm64));
    CHECK_FALSE(f.target.manifest("m/app", multi.amd64));
  }
  SECTION("several are an index of their own") {
    const auto list =
        f.list("[[image]]\nsource = \"SRC/app:1\"\nplatforms = [\"linux/arm64\", \"linux/amd64\"]\n");
    const auto report = f.sync(list);
    const auto made = f.target.manifest("m/app", "1");
    REQUIRE(made);
    CHECK(*made == concat(R"({"schemaVersion":2,"mediaType":")", kIndex, R"(","manifests":[)",
                          f.entry("app", multi.amd64, Mirrors::on("amd64")), ',',
                          f.entry("app", multi.arm64, Mirrors::on("arm64")), ',',
                          f.entry("app", multi.attestation,
                                  concat(R"(,"annotations":{"vnd.docker.reference.digest":")", multi.amd64,
                                         R"("})", Mirrors::on("unknown"))),
                          R"(],"annotations":{"a":"b"},"x-unknown":[1.5]})"));
    CHECK(report.images[0].digest == oci::Digest::of(*made));
    CHECK(f.target.manifest("m/app", multi.attestation));
    f.server.forget_requests();
    f.target.forget_requests();
    CHECK(f.sync(list).images[0].outcome == Outcome::present);
    CHECK(f.server.lines() == std::vector<std::string>{"GET /v2/app/manifests/1"});
    CHECK(f.target.lines() == std::vector<std::string>{"HEAD /v2/m/app/manifests/1"});
  }
  SECTION("one that is not there") {
    const auto report =
        f.sync(f.list("[[image]]\nsource = \"SRC/app:1\"\nplatforms = [\"linux/amd64\", \"linux/s390x\"]\n"));
    CHECK(
        error_of([&] { std::rethrow_exception(report.images[0].failure); }) ==
        concat(
            "not_found: ", f.server.address(), "/app:1 has no image for linux/s390x; it has linux/amd64, ",
            "linux/arm/v7, linux/arm64 | leave the platform out, or give the image 'platforms' of its own"));
  }
  SECTION("what is no index is taken as it is") {
    f.image("single", "1", 7);
    f.sync(f.list("[[image]]\nsource = \"SRC/single:1\"\nplatforms = [\"linux/arm64\"]\n"));
    CHECK(f.target.manifest("m/single", "1") == f.server.manifest("single", "1"));
  }
  SECTION("by digest") {
    const auto report = f.sync(
        f.list(concat("[[image]]\nsource = \"SRC/app@", multi.root, "\"\nplatforms = [\"linux/amd64\"]\n")));
    CHECK(f.brief(report) == std::vector<std::string>{"copied m/app@" + multi.amd64});
    CHECK(f.target.manifest("m/app", multi.amd64));
  }
}

TEST_CASE("mirror: what refers to images goes with them") {
  for (const auto referrers : {FakeRegistry::Referrers::api, FakeRegistry::Referrers::none}) {
    Mirrors f;
    f.server.set_referrers(FakeRegistry::Referrers::api);
    f.target.set_referrers(referrers);
    const auto multi = f.multi("app", "1");
    const auto of_root = f.referrer("app", multi.root, 10);
    const auto of_image = f.referrer("app", multi.arm64, 11);
    const auto of_image_too = f.referrer("app", multi.arm64, 12);
    const auto of_referrer = f.referrer("app", of_image, 13);
    const auto cosign = "sha256-" + multi.amd64.substr(7) + ".sig";
    f.image("app", cosign, 14);
    f.image("app", "sha256-" + std::string(64, 'e') + ".sig", 15);  // of nothing that is taken
    const auto list = f.list("[[image]]\nsource = \"SRC/app\"\nreferrers = true\n");
    auto report = f.sync(list);
    CHECK_FALSE(report.failed());
    CHECK(report.images.size() == 6);
    CHECK(report.images[0].role == SelectedImage::Role::listed);
    CHECK(report.images[1].role == SelectedImage::Role::referrer);
    for (const auto& digest : {of_root, of_image, of_image_too, of_referrer}) {
      INFO(digest);
      CHECK(f.target.manifest("m/app", digest) == f.server.manifest("app", digest));
    }
    CHECK(f.target.manifest("m/app", cosign) == f.server.manifest("app", cosign));
    RegistrySession session(f.settings);
    RegistryClient client(session, oci::Reference::parse(f.target.address() + "/m/app"), {});
    CHECK(client.referrers(oci::Digest::parse(multi.arm64)).size() == 2);
    report = f.sync(list);
    CHECK(std::all_of(report.images.begin(), report.images.end(),
                      [](const auto& image) { return image.outcome == Outcome::present; }));
    // Pruning knows what they belong to.
    f.target.add_manifest("m/app", "sha256-" + std::string(64, 'e') + ".sig", "{}", kManifest);
    report = f.sync(f.list("[[image]]\nsource = \"SRC/app\"\nreferrers = true\n", "prune = true\n"));
    CHECK(f.pruned(report) == std::vector<std::string>{"m/app:sha256-" + std::string(64, 'e') + ".sig"});
    CHECK(f.target.manifest("m/app", cosign));
  }
}

TEST_CASE("mirror: what refers to an index stays when only a part of the index is taken") {
  Mirrors f;
  f.server.set_referrers(FakeRegistry::Referrers::api);
  const auto multi = f.multi("app", "1");
  f.referrer("app", multi.root, 10);
  const auto of_image = f.referrer("app", multi.arm64, 11);
  const auto report =
      f.sync(f.list("[[image]]\nsource = \"SRC/app:1\"\nreferrers = true\n"
                    "platforms = [\"linux/arm64\", \"linux/amd64\"]\n"));
  CHECK(f.brief(report) == std::vector<std::string>{"copied m/app:1", "copied m/app@" + of_image});
}

TEST_CASE("mirror: pruning removes what the list does not mean") {
  Mirrors f;
  f.image("app", "1.0", 1);
  f.image("app", "1.1", 2);
  f.image("app", "2.0", 3);
  f.image("extra", "x", 4);
  const auto everything = f.list("[[image]]\nsource = \"SRC/app\"\n[[image]]\nsource = \"SRC/extra\"\n");
  f.sync(everything);
  const std::string some = R"(
[[image]]
source = "SRC/app"
tags = ["semver:1.x"]
[[image]]
source = "SRC/extra:x"
destination = "DST/m/app:y"
)";
  auto report = f.sync(f.list(some, "prune = true\n"));
  CHECK(f.pruned(report) == std::vector<std::string>{"m/app:2.0"});
  CHECK(f.target.manifest("m/app", "1.1"));
  CHECK(f.target.manifest("m/app", "y"));
  CHECK_FALSE(f.target.manifest("m/app", "2.0"));
  CHECK(f.target.manifest("m/extra", "x"));  // no entry's destination any more: not ours to judge
  f.target.forget_requests();
  CHECK(f.sync(f.list(some, "prune = true\n")).pruned.empty());
  CHECK(f.target.count("DELETE", "") == 0);
  CHECK(f.target.count("GET", "") == 2);  // pages of the list of tags
}

TEST_CASE("mirror: pruning leaves a repository alone when something is not known") {
  struct {
    const char* name;
    std::string images;
    std::string broken;  // requests of the source with this in them fail
    std::string reason;
  } const table[] = {
      {"the list of tags", "[[image]]\nsource = \"SRC/app\"\n", "/v2/app/tags/list", "SRC/app failed"},
      {"a tag", "[[image]]\nsource = \"SRC/app\"\n", "/v2/app/manifests/1.1", "SRC/app:1.1 failed"},
      {"a blob", "[[image]]\nsource = \"SRC/app\"\n", "/v2/app/blobs/", "SRC/app:1.0 failed"},
      {"no match", "[[image]]\nsource = \"SRC/app\"\ntags = [\"9.*\"]\n", "", "no tag of SRC/app matches"},
      {"a pattern", "[[image]]\nsource = \"SRC/app\"\ntags = [\"1.*\", \"9.*\"]\n", "",
       "no tag of SRC/app matches '9.*'"},
      {"another entry",
       "[[image]]\nsource = \"SRC/app\"\ntags = [\"1.0\"]\n[[image]]\nsource = \"SRC/gone\"\n"
       "destination = \"DST/m/app\"\n",
       "", "no tag of SRC/gone matches"},
      {"a name without registry", "[[image]]\nsource = \"SRC/app:1.0\"\n[[image]]\nsource = \"app\"\n", "",
       "app failed, and its destination is not known"},
  };
  for (const auto& row : table) {
    INFO(row.name);
    Mirrors f;
    f.image("app", "1.0", 1);
    f.image("app", "1.1", 2);
    f.target.add_manifest("m/app", "old", "{}", kManifest);
    f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (row.broken.empty() || !contains(request.target, row.broken)) return std::nullopt;
      FakeAnswer out;
      out.status = 500;
      return out;
    });
    const auto report = f.sync(f.list(row.images, "prune = true\n"));
    CHECK(report.pruned.empty());
    CHECK(f.target.manifest("m/app", "old"));
    REQUIRE(report.unpruned.size() == 1);
    auto reason = report.unpruned[0].reason;
    if (const auto at = reason.find(f.server.address()); at != std::string::npos)
      reason.replace(at, f.server.address().size(), "SRC");
    CHECK(reason == row.reason);
  }
}

TEST_CASE("mirror: pruning leaves a repository alone that images are read from") {
  Mirrors f;
  f.image("app", "1", 1);
  f.image("app", "2", 2);
  const auto report = f.sync(f.list(
      "[[image]]\nsource = \"SRC/app\"\ntags = [\"1\"]\ndestination = \"SRC/app:copy\"\n", "prune = true\n"));
  CHECK(report.pruned.empty());
  REQUIRE(report.unpruned.size() == 1);
  CHECK(report.unpruned[0].reason == "images are read from it, too");
  CHECK(f.server.manifest("app", "2"));
}

TEST_CASE("mirror: pruning knows a repository under its other names") {
  Mirrors f;
  f.image("app", "1", 1);
  f.image("app", "2", 2);
  const auto port = f.target.address().substr(f.target.address().find(':'));
  auto report = f.sync(f.list(concat("[[image]]\nsource = \"SRC/app:1\"\n[[image]]\nsource = \"SRC/app:2\"\n",
                                     "destination = \"localhost", port, "/m/app\"\n"),
                              "prune = true\n"));
  CHECK_FALSE(report.failed());
  CHECK(report.pruned.empty());
  CHECK(f.target.manifest("m/app", "1"));
  CHECK(f.target.manifest("m/app", "2"));
  const auto source = "localhost" + f.server.address().substr(f.server.address().find(':'));
  report =
      f.sync(f.list(concat("[[image]]\nsource = \"SRC/app:1\"\ndestination = \"", source, "/app:copy\"\n"),
                    "prune = true\n"));
  CHECK(report.pruned.empty());
  REQUIRE(report.unpruned.size() == 1);
  CHECK(report.unpruned[0].reason == "images are read from it, too");
  CHECK(f.server.manifest("app", "2"));
}
