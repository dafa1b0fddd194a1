// Tags without their manifests.
#include "registry/tag_removal.hpp"

#include "base/text.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeFixture;
using dash::testing::FakeRequest;

namespace {

void add_image(FakeFixture& f) {
  f.settings.retry.retries = 0;
  f.server.add_manifest("app", "1", R"({"schemaVersion":2,"layers":[]})",
                        std::string(oci::media_type::kManifest));
}

}  // namespace

TEST_CASE("tags are removed where the registry deletes by digest only") {
  FakeFixture f;
  f.server.set_hook([](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method != "DELETE" || contains(request.target, "/sha256:")) return std::nullopt;
    FakeAnswer out;
    out.status = 400;
    out.body = R"({"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]})";
    return out;
  });
  add_image(f);
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name("app"), {});
  CHECK(remove_tag(client, "1"));
  const auto lines = f.server.lines();
  // First without the tag, so that it stays when nothing can be deleted.
  std::vector<std::string> methods;
  for (const auto& line : lines) methods.push_back(line.substr(0, line.find(' ')));
  CHECK(methods ==
        std::vector<std::string>{"DELETE", "HEAD", "HEAD", "POST", "PUT", "PUT", "DELETE", "PUT", "DELETE"});
  CHECK(lines[5].starts_with("PUT /v2/app/manifests/sha256:"));
  CHECK(lines[6] == "DELETE" + lines[5].substr(3));
  CHECK(lines[7] == "PUT /v2/app/manifests/1");
  CHECK(lines[8] == lines[6]);
  CHECK_FALSE(remove_tag(client, "2"));
}

TEST_CASE("a tag stays where the registry deletes nothing") {
  FakeFixture f;
  f.server.set_hook([](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method != "DELETE") return std::nullopt;
    FakeAnswer out;
    out.status = 405;
    out.body = R"({"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]})";
    return out;
  });
  add_image(f);
  const auto before = f.server.manifest("app", "1");
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name("app"), {});
  const auto digest = oci::Digest::of(*before);
  for (const auto& [name, remove] : std::vector<std::pair<std::string, std::function<void()>>>{
           {":1", [&] { remove_tag(client, "1"); }},
           {"@" + digest.to_string(), [&] { remove_manifest(client, digest); }}})
    CHECK(error_of(remove) ==
          concat("unsupported: ", f.server.address(), "/app", name, " was not removed: ", f.server.address(),
                 " does not allow deleting (405) | its operator allows it: in distribution with 'delete: "
                 "{enabled: true}' below 'storage', or REGISTRY_STORAGE_DELETE_ENABLED=true"));
  CHECK(f.server.manifest("app", "1") == before);
}
