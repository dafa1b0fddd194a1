#include "oci/manifest.hpp"

#include "base/error.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;

namespace {

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a manifest is written in a fixed form and read back") {
  const Manifest manifest{
      {std::string(media_type::kConfig), Digest::parse(kA), 2, {}, std::nullopt},
      {{std::string(media_type::kLayerZstd), Digest::parse(kB), 7, {{"k", "v"}}, std::nullopt}},
      {}};
  const auto json = manifest.to_json();
  CHECK(json == R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{)"
                R"("mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
                    kA +
                    R"(","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd",)" +
                    R"("digest":")" + kB + R"(","size":7,"annotations":{"k":"v"}}]})");
  const auto again = Manifest::parse(json, "test");
  CHECK(again.config == manifest.config);
  CHECK(again.layers == manifest.layers);
}

TEST_CASE("configurations keep what they say") {
  ImageConfig config;
  config.created = "1980-01-01T00:00:00Z";
  config.user = "32767:32767";
  config.exposed_ports = {"5000/tcp"};
  config.environment = {"A=1", "B=2"};
  config.entrypoint = {"/start"};
  config.labels = {{"x", "y"}};
  config.diff_ids = {DiffId::parse(kA)};
  config.history = {{"1980-01-01T00:00:00Z", "dash-build app", "", false}};
  config.set_environment("A", "3");
  config.set_environment("C", "");
  CHECK(config.environment == std::vector<std::string>{"A=3", "B=2", "C="});
  CHECK(config.environment_value("B") == "2");
  CHECK_FALSE(config.environment_value("D"));
  const auto again = ImageConfig::parse(config.to_json(), "test");
  CHECK(again.to_json() == config.to_json());
  CHECK(again.diff_ids == config.diff_ids);
  CHECK(again.exposed_ports == config.exposed_ports);
}

TEST_CASE("Docker's null fields and unknown fields are accepted") {
  const auto config = ImageConfig::parse(
      R"({"os":"linux","architecture":"arm64","config":{"Env":null,"Labels":null,"Cmd":null,"Healthcheck":{}},)"
      R"("rootfs":{"type":"layers","diff_ids":[]},"docker_version":"1"})",
      "test");
  CHECK(config.platform.architecture == "arm64");
  CHECK(config.environment.empty());
}

TEST_CASE("wrong documents are named") {
  CHECK(message_of([] { Manifest::parse("[]", "x.json"); }) == "x.json is not a JSON object");
  CHECK_THAT(message_of([] { Manifest::parse("{", "x.json"); }),
             Catch::StartsWith("x.json is not what its media type says: "));
  CHECK(message_of([] { Manifest::parse(R"({"schemaVersion":1})", "x.json"); }) ==
        "x.json has schema version 1; only 2 is supported");
  CHECK_THAT(message_of([] { Manifest::parse(R"({"schemaVersion":2})", "x.json"); }),
             Catch::Contains("config"));
  CHECK(message_of([] {
          Manifest::parse(R"({"schemaVersion":2,"config":{"digest":"md5:1","size":1},"layers":[]})",
                          "x.json");
        }) == "'md5:1' is not a digest of the form sha256:<64 hexadecimal digits>");
  CHECK(message_of([] {
          Manifest::parse(R"({"schemaVersion":2,"config":{"digest":")" + kA + R"(","size":-1},"layers":[]})",
                          "x.json");
        }) == "x.json: a descriptor has no valid size");
}
