// What refers to manifests: from the API, or from the list in a tag that stands in for it.
#include "base/text.hpp"
#include "registry/registry_client.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeFixture;
using dash::testing::FakeRequest;
using dash::testing::noise;

namespace {

const std::string kManifest = std::string(oci::media_type::kManifest);
const std::string kDocument = R"({"schemaVersion":2,"layers":[]})";

std::string artifact_about(const oci::Digest& subject, const std::string& type) {
  return concat(
      R"({"schemaVersion":2,"artifactType":")", type,
      R"(","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"subject":{"mediaType":"x","digest":")",
      subject.to_string(), R"(","size":1}})");
}

}  // namespace

TEST_CASE("referrers: from the API, or from the tag in its place") {
  const auto subject = oci::Digest::of(kDocument);
  const auto artifact = artifact_about(subject, "test/sig");
  for (const auto kind :
       {dash::testing::FakeRegistry::Referrers::none, dash::testing::FakeRegistry::Referrers::api}) {
    FakeFixture f;
    f.server.set_referrers(kind);
    RegistrySession session(f.settings);
    RegistryClient client(session, f.name(), {});
    CHECK(client.referrers(subject).empty());
    client.put_manifest(oci::Digest::of(artifact).to_string(), artifact, kManifest);
    client.put_manifest(oci::Digest::of(artifact).to_string(), artifact, kManifest);
    const auto found = client.referrers(subject);
    REQUIRE(found.size() == 1);
    CHECK(found[0].artifact_type == "test/sig");
    CHECK(found[0].descriptor.digest == oci::Digest::of(artifact));
    CHECK(client.referrers(subject, "test/sig").size() == 1);
    CHECK(client.referrers(subject, "other").empty());
    CHECK(f.server.manifest("team/app", "sha256-" + subject.hex()).has_value() ==
          (kind == dash::testing::FakeRegistry::Referrers::none));
  }
}

TEST_CASE("referrers: whether a referrer is listed is asked once for each subject") {
  const auto subject = oci::Digest::of(kDocument);
  const auto one = artifact_about(subject, "test/one");
  const auto two = artifact_about(subject, "test/two");
  CHECK(subject_of(one) == subject);
  CHECK(subject_of(kDocument) == std::nullopt);
  CHECK(subject_of("[") == std::nullopt);
  FakeFixture f;
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  client.put_manifest(oci::Digest::of(one).to_string(), one, kManifest);
  f.server.add_manifest("team/app", oci::Digest::of(two).to_string(), two, kManifest);  // and then killed
  RegistryClient later(session, f.name(), {});
  f.server.forget_requests();
  CHECK(later.lists_referrer(subject, oci::Digest::of(one)));
  CHECK_FALSE(later.lists_referrer(subject, oci::Digest::of(two)));
  CHECK(f.server.lines() == std::vector<std::string>{"GET /v2/team/app/referrers/" + subject.to_string(),
                                                     "GET /v2/team/app/manifests/sha256-" + subject.hex()});
  later.put_manifest(oci::Digest::of(two).to_string(), two, kManifest);
  CHECK(later.lists_referrer(subject, oci::Digest::of(two)));
  CHECK(client.referrers(subject).size() == 2);
  const auto other = oci::Digest::of("x");
  CHECK_FALSE(later.lists_referrer(other, oci::Digest::of(two)));
  f.server.set_referrers(dash::testing::FakeRegistry::Referrers::api);
  RegistryClient of_api(session, f.name(), {});
  f.server.forget_requests();
  CHECK(of_api.lists_referrer(subject, oci::Digest::of(one)));
  CHECK(of_api.lists_referrer(other, oci::Digest::of(one)));
  CHECK(f.server.requests().size() == 1);
}

TEST_CASE("referrers: a list of referrers that somebody else writes at the same time") {
  const auto subject = oci::Digest::of(kDocument);
  const auto ours = artifact_about(subject, "test/ours");
  const auto tag = "sha256-" + subject.hex();
  FakeFixture f;
  // Another process read the list before ours was in it, and writes it after us, so many times.
  std::atomic<int> overwrites = 0;
  std::atomic<bool> written = false;
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (!contains(request.target, "/manifests/" + tag)) return std::nullopt;
    if (request.method == "PUT") written = true;
    if (request.method == "GET" && written.exchange(false) && overwrites-- > 0)
      f.server.add_manifest(
          "team/app", tag,
          concat(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)",
                 R"({"mediaType":"x","digest":")", oci::Digest::of(noise(10, 1)).to_string(),
                 R"(","size":10,"artifactType":"test/theirs"}]})"),
          "application/vnd.oci.image.index.v1+json");
    return std::nullopt;
  });
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  const auto put = [&] { client.put_manifest(oci::Digest::of(ours).to_string(), ours, kManifest); };
  overwrites = 2;
  put();
  CHECK(client.referrers(subject).size() == 2);
  CHECK(client.referrers(subject, "test/ours").size() == 1);
  overwrites = 1000;
  f.server.add_manifest("team/app", tag, R"({"schemaVersion":2,"manifests":[]})",
                        "application/vnd.oci.image.index.v1+json");
  CHECK(contains(error_of(put),
                 concat("unavailable: the list of referrers of ", subject.to_string(), " in ",
                        f.server.address(), "/team/app (tag ", tag, ") is changed by others all the time")));
}

TEST_CASE("referrers: which answers mean that there is no referrers API") {
  const auto index = R"({"schemaVersion":2,"manifests":[]})";
  struct {
    int status;
    std::string body;
    const char* message;  // empty: the tag in its place is asked
  } const table[] = {
      {404, "", ""},
      {405, "", ""},
      {400, "", ""},
      {429, "", ": 429"},
      {503, "", ": 503"},
      {200, "<html>", ": the answer is no list of referrers"},
      {200, "{}", ": the answer is no list of referrers"},
      {200, index, ""},
  };
  for (const auto& row : table) {
    INFO(row.status << ' ' << row.body);
    FakeFixture f;
    f.settings.retry.retries = 0;
    f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (!contains(request.target, "/referrers/")) return std::nullopt;
      FakeAnswer out;
      out.status = row.status;
      out.headers = {{"Content-Type", "application/json"}};
      out.body = row.body;
      return out;
    });
    RegistrySession session(f.settings);
    RegistryClient client(session, f.name(), {});
    const auto ask = [&] { return client.referrers(oci::Digest::of(kDocument)); };
    if (std::string(row.message).empty())
      CHECK(ask().empty());
    else
      CHECK(contains(error_of(ask), row.message));
  }
}
