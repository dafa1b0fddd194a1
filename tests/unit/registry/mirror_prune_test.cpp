// Pruning: which tags of destinations go, and above all which stay.
#include "registry/mirror/mirror_prune.hpp"

#include "base/text.hpp"
#include "tests/unit/registry/mirror_fixture.hpp"

#include <algorithm>
#include <exception>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::FakeAnswer;
using dash::testing::FakeRegistry;
using dash::testing::FakeRequest;
using dash::testing::kManifest;
using dash::testing::Mirrors;

TEST_CASE("prune: removes what the list does not mean") {
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

TEST_CASE("prune: leaves a repository alone when something is not known") {
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

TEST_CASE("prune: leaves a repository alone that images are read from") {
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

TEST_CASE("prune: knows a repository under its other names") {
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

TEST_CASE("prune: knows a repository under the names of hosts.toml") {
  Mirrors f;
  f.image("app", "1", 1);
  f.image("app", "2", 2);
  const auto certs = f.directory.path() / "certs.d";
  make_directories(certs / "alias.example");
  write_file(certs / "alias.example/hosts.toml", concat("server = \"http://", f.target.address(), "\"\n"));
  f.settings.hosts.certs_directories = {certs};
  const auto report =
      f.sync(f.list("[[image]]\nsource = \"SRC/app:1\"\n[[image]]\nsource = \"SRC/app:2\"\n"
                    "destination = \"alias.example/m/app\"\n",
                    "prune = true\n"));
  CHECK_FALSE(report.failed());
  CHECK(report.pruned.empty());
  CHECK(report.unpruned.empty());
  CHECK(f.target.manifest("m/app", "1"));
  CHECK(f.target.manifest("m/app", "2"));
}

TEST_CASE("prune: a port that a scheme has by itself is no other place") {
  const Mirrors f;
  RegistrySession session(f.settings);
  const auto places = [&](const std::vector<std::string>& names) {
    std::vector<SelectionFailure> failures;
    for (const auto& name : names)
      failures.push_back({oci::Reference::parse("source.example/x:1"), oci::Reference::parse(name + "/app"),
                          std::make_exception_ptr(Error(ErrorCode::unavailable, "test"))});
    return prune_destinations(session, {}, failures, SyncMode::show, {}).unpruned.size();
  };
  CHECK(places({"mirror.example", "mirror.example:443", "mirror.example:80"}) == 1);
  CHECK(places({"mirror.example", "mirror.example:5000"}) == 2);
  CHECK(places({"localhost:5000", "127.0.0.1:5000"}) == 1);
}

TEST_CASE("prune: keeps what the list has under the same path on another server") {
  // The other server could be this one, under a name that only a name server knows.
  Mirrors f;
  f.image("app", "1", 1);
  f.image("app", "2", 2);
  f.target.add_manifest("m/app", "2", *f.server.manifest("app", "2"), kManifest);
  f.target.add_manifest("m/app", "old", "{}", kManifest);
  FakeRegistry other;
  const auto report =
      f.sync(f.list(concat("[[image]]\nsource = \"SRC/app:1\"\n[[image]]\nsource = \"SRC/app:2\"\n",
                           "destination = \"", other.address(), "/m/app\"\n"),
                    "prune = true\n"));
  CHECK(f.pruned(report) == std::vector<std::string>{"m/app:old"});
  CHECK(f.target.manifest("m/app", "2"));
}

TEST_CASE("prune: leaves a repository alone that something should have been read from") {
  for (const std::string wanted : {"\"SRC/app:9\"\n", "\"SRC/app\"\ntags = [\"9.*\"]\n"}) {
    INFO(wanted);
    Mirrors f;
    f.image("app", "1", 1);
    f.image("other", "1", 2);
    const auto report =
        f.sync(f.list(concat("[[image]]\nsource = \"SRC/other:1\"\ndestination = \"SRC/app:copy\"\n",
                             "[[image]]\nsource = ", wanted),
                      "prune = true\n"));
    CHECK(report.pruned.empty());
    CHECK(f.server.manifest("app", "1"));
    CHECK(std::any_of(report.unpruned.begin(), report.unpruned.end(), [&](const auto& repository) {
      return repository.repository.to_string() == f.server.address() + "/app" &&
             repository.reason == "images are read from it, too";
    }));
  }
}
