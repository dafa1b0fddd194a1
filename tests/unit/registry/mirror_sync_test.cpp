// Mirrors: which images are meant, and how they get to their destinations.
#include "registry/mirror/mirror_sync.hpp"

#include "base/text.hpp"
#include "tests/unit/registry/mirror_fixture.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeRegistry;
using dash::testing::FakeRequest;
using dash::testing::kIndex;
using dash::testing::kManifest;
using dash::testing::Mirrors;
using Outcome = SyncedImage::Outcome;

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

TEST_CASE("mirror: a referrer that an earlier run stored and did not list") {
  Mirrors f;
  f.server.set_referrers(FakeRegistry::Referrers::api);
  const auto app = f.image("app", "1", 1);
  const auto about = f.referrer("app", app, 10);
  const auto list = f.list("[[image]]\nsource = \"SRC/app:1\"\nreferrers = true\n");
  f.sync(list);
  const auto tag = "sha256-" + app.substr(7);
  const auto listed = f.target.manifest("m/app", tag);
  REQUIRE(listed);
  f.target.add_manifest("m/app", tag, R"({"schemaVersion":2,"manifests":[]})", kIndex);
  CHECK(f.brief(f.sync(list)) == std::vector<std::string>{"present m/app:1", "copied m/app@" + about});
  CHECK(contains(*f.target.manifest("m/app", tag), about));
  f.target.forget_requests();
  CHECK(f.brief(f.sync(list)) == std::vector<std::string>{"present m/app:1", "present m/app@" + about});
  CHECK(f.target.lines().size() == 4);  // two images, the API, the list
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
