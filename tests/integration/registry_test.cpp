// The registry client against Debian's docker-registry, judged by skopeo.
#include "base/event.hpp"
#include "oci/image_layout.hpp"
#include "oci/layer_writer.hpp"
#include "registry/puller.hpp"
#include "registry/pusher.hpp"
#include "registry/registry_error.hpp"
#include "tests/support/content.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/registry_server.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::noise;
using dash::testing::RegistryServer;

namespace {

std::string config_json(const std::string& architecture) {
  oci::ImageConfig config;
  config.platform.architecture = architecture;
  return config.to_json();
}

// An image of layers of the given sizes; layers of equal size and seed are equal.
oci::Descriptor make_image(oci::ImageLayout& layout, const std::vector<std::size_t>& sizes,
                           const std::string& architecture = "amd64") {
  oci::Manifest manifest{layout.put(config_json(architecture), oci::media_type::kConfig), {}, {}};
  for (const auto size : sizes)
    manifest.layers.push_back(
        layout.put(noise(size, static_cast<unsigned>(size)), oci::media_type::kLayerGzip));
  return layout.put(manifest.to_json(), oci::media_type::kManifest);
}

oci::Descriptor make_index(oci::ImageLayout& layout) {
  oci::Index index;
  for (const auto* architecture : {"amd64", "arm64"}) {
    auto image = make_image(layout, {1000, 70'000}, architecture);
    image.platform = oci::Platform{"linux", architecture, ""};
    index.manifests.push_back(std::move(image));
  }
  return layout.put(index.to_json(), oci::media_type::kIndex);
}

struct Fixture {
  TempDirectory directory = dash::testing::make_temp_directory();
  oci::ImageLayout layout = oci::ImageLayout::open_or_create(directory.path() / "layout");
  RegistrySettings settings;
  NullEvents events;

  Fixture() {
    settings.http.ca_bundle = "/etc/ssl/certs/ca-certificates.crt";
    settings.retry.base = std::chrono::milliseconds(5);
    settings.state_directory = directory.path() / "state";
  }
  void enter(const RegistryServer& server) {
    settings.credentials.given[server.address()] = {"sam", "open sesame", "", "", "the test"};
    const auto certs = directory.path() / "certs.d";
    make_directories(certs / server.address());
    fs::copy_file(server.ca(), certs / server.address() / "ca.crt");
    settings.hosts.certs_directories = {certs};
  }
  PushReport push(RegistrySession& session, const oci::Descriptor& image, const std::string& to) {
    StoreSource source(layout);
    return Pusher(session, events, {}).push(source, image, oci::Reference::parse(to));
  }
};

using dash::testing::run_script;

std::string skopeo_digest(const std::string& image) {
  return run_script("skopeo inspect --raw --tls-verify=false docker://" + image +
                    " | sha256sum | cut -c1-64");
}

}  // namespace

TEST_CASE("registry: push and pull, with a large blob in chunks", "[registry]") {
  const RegistryServer server;
  Fixture f;
  f.settings.chunk_size = std::uint64_t{1} << 20;
  RegistrySession session(f.settings);
  const auto image = make_image(f.layout, {10, 300'000, 5'500'000});
  const auto name = server.address() + "/team/app:1";

  auto report = f.push(session, image, name);
  CHECK(report.outcome == PushReport::Outcome::pushed);
  CHECK(report.uploaded == 4);
  CHECK(report.bytes_sent == 10 + 300'000 + 5'500'000 + config_json("amd64").size());
  CHECK(skopeo_digest(name) == image.digest.hex() + '\n');
  CHECK(f.push(session, image, name).outcome == PushReport::Outcome::present);

  auto copy = oci::ImageLayout::open_or_create(f.directory.path() / "copy");
  PullOptions options;
  options.name = "app:1";
  const auto pulled = Puller(session, f.events, {}).pull(oci::Reference::parse(name), copy, options);
  CHECK(pulled.image.digest == image.digest);
  CHECK(pulled.fetched == 4);
  CHECK(copy.validate().empty());
  CHECK(copy.find("app:1")->digest == image.digest);
  CHECK(Puller(session, f.events, {}).pull(oci::Reference::parse(name), copy, options).fetched == 0);
}

TEST_CASE("registry: indexes, with TLS of a private CA and a password", "[registry]") {
  const RegistryServer server(RegistryServer::Access::closed);
  Fixture f;
  const auto name = server.address() + "/team/multi:1";
  const auto index = make_index(f.layout);
  {
    RegistrySession stranger(f.settings);
    CHECK(contains(dash::testing::error_of([&] { f.push(stranger, index, name); }),
                   "unable to get local issuer"));
  }
  f.enter(server);
  RegistrySession session(f.settings);
  const auto report = f.push(session, index, name);
  CHECK(report.uploaded == 4);  // two configurations; the layers are the same
  auto copy = oci::ImageLayout::open_or_create(f.directory.path() / "copy");
  PullOptions options;
  options.platform = oci::Platform{"linux", "arm64", ""};
  options.name = "multi:arm";
  const auto pulled = Puller(session, f.events, {}).pull(oci::Reference::parse(name), copy, options);
  CHECK(copy.load(pulled.image).config.platform.architecture == "arm64");

  f.settings.credentials.given[server.address()].password = "wrong";
  RegistrySession wrong(f.settings);
  CHECK(dash::testing::error_of([&] { f.push(wrong, index, name); }) ==
        concat("denied: GET https://", server.address(),
               "/v2/team/multi/manifests/1: 401 UNAUTHORIZED: authentication required | ", server.address(),
               " refused the credentials from the test; log in with 'dash-build login ", server.address(),
               "', or ask for access to team/multi"));
}

TEST_CASE("registry: what skopeo pushed as Docker schema 2 is pulled and copied byte for byte",
          "[registry]") {
  const RegistryServer first;
  const RegistryServer second;
  Fixture f;
  RegistrySession session(f.settings);
  f.layout.tag("app", make_image(f.layout, {10, 70'000}));
  const auto name = first.address() + "/docker/app:1";
  run_script(concat("skopeo copy -q --insecure-policy --dest-tls-verify=false --format v2s2 oci:",
                    f.layout.directory().string(), ":app docker://", name));
  RegistryClient client(session, oci::Reference::parse(name), {});
  const auto content = client.manifest("1");
  CHECK(content.descriptor.media_type == oci::media_type::kDockerManifest);
  RepositorySource source(client);
  const auto copied = second.address() + "/copied/app:1";
  const auto report =
      Pusher(session, f.events, {}).push(source, content.descriptor, oci::Reference::parse(copied));
  CHECK(report.uploaded == 3);
  CHECK(skopeo_digest(copied) == content.descriptor.digest.hex() + '\n');
  Puller(session, f.events, {}).pull(oci::Reference::parse(copied), f.layout);
  CHECK(f.layout.read(content.descriptor, 100'000) == content.bytes);
}

TEST_CASE("registry: artifacts, referrers, tags, deletion", "[registry]") {
  const RegistryServer server;
  Fixture f;
  RegistrySession session(f.settings);
  const auto image = make_image(f.layout, {10});
  for (const auto* tag : {"1", "2", "3"}) f.push(session, image, concat(server.address(), "/app:", tag));
  RegistryClient client(session, oci::Reference::parse(server.address() + "/app"), {});
  auto tags = client.tags();
  std::sort(tags.begin(), tags.end());
  CHECK(tags == std::vector<std::string>{"1", "2", "3"});
  const auto empty = f.layout.put("{}", "application/vnd.oci.empty.v1+json");
  const auto artifact = f.layout.put(
      concat(
          R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"test/sbom",)",
          R"("config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")", empty.digest.to_string(),
          R"(","size":2},"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":")",
          empty.digest.to_string(), R"(","size":2}],"subject":{"mediaType":")", image.media_type,
          R"(","digest":")", image.digest.to_string(), R"(","size":)", image.size, "}}"),
      oci::media_type::kManifest);
  f.push(session, artifact, server.address() + "/app:sbom");
  const auto referrers = client.referrers(image.digest);
  REQUIRE(referrers.size() == 1);
  CHECK(referrers[0].descriptor.digest == artifact.digest);
  CHECK(referrers[0].artifact_type == "test/sbom");
  CHECK(client.delete_manifest(image.digest.to_string()));
  CHECK_FALSE(client.resolve("1"));
  CHECK(dash::testing::brief_error_of([&] {
          Puller(session, f.events, {}).pull(oci::Reference::parse(server.address() + "/app:1"), f.layout);
        }) == concat("not_found: ", server.address(), "/app has no 1"));
}
