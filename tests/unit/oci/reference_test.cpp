#include "oci/reference.hpp"

#include "base/error.hpp"
#include "oci/image_location.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;

namespace {
const std::string kHex(64, 'a');
}

TEST_CASE("references are taken apart as registries do") {
  struct Row {
    std::string text, registry, repository, tag;
  };
  const auto row = GENERATE_COPY(values<Row>({
      {"sales", "", "sales", ""},
      {"sales:1.2", "", "sales", "1.2"},
      {"team/sales", "", "team/sales", ""},
      {"registry.example/team/sales:v1", "registry.example", "team/sales", "v1"},
      {"localhost:5000/sales", "localhost:5000", "sales", ""},
      {"localhost/sales", "localhost", "sales", ""},
      {"[::1]:5000/sales:x", "[::1]:5000", "sales", "x"},
      {"a/b__c/d-e---f:X_1.-", "", "a/b__c/d-e---f", "X_1.-"},
  }));
  const auto reference = Reference::parse(row.text);
  CHECK(reference.registry == row.registry);
  CHECK(reference.repository == row.repository);
  CHECK(reference.tag == row.tag);
  CHECK(reference.to_string() == row.text);
}

TEST_CASE("references carry digests and default tags") {
  const auto pinned = Reference::parse("registry.example/sales:1@sha256:" + kHex);
  CHECK(pinned.digest->to_string() == "sha256:" + kHex);
  CHECK(pinned.with_default_tag().to_string() == pinned.to_string());
  CHECK(Reference::parse("sales@sha256:" + kHex).with_default_tag().tag.empty());
  CHECK(Reference::parse("sales").with_default_tag().to_string() == "sales:latest");
}

TEST_CASE("wrong references say which part is wrong") {
  struct Row {
    std::string text, message;
  };
  const auto row = GENERATE_COPY(values<Row>({
      {"", "'' is not an image name: the repository is missing"},
      {":1", "':1' is not an image name: the repository is missing"},
      {"Sales",
       "'Sales' is not an image name: the repository part 'Sales' must be lower-case letters and digits, "
       "separated by '.', '_', '__' or '-'"},
      {"a//b",
       "'a//b' is not an image name: the repository part '' must be lower-case letters and digits, separated "
       "by '.', '_', '__' or '-'"},
      {"a___b",
       "'a___b' is not an image name: the repository part 'a___b' must be lower-case letters and digits, "
       "separated by '.', '_', '__' or '-'"},
      {"sales:",
       "'sales:' is not an image name: a tag has up to 128 letters, digits, '_', '.' and '-', and starts "
       "with none of '.' and '-'"},
      {"sales:-x",
       "'sales:-x' is not an image name: a tag has up to 128 letters, digits, '_', '.' and '-', and "
       "starts with none of '.' and '-'"},
      {"sales@sha256:12",
       "'sales@sha256:12' is not an image name: what follows '@' must be sha256:<64 hexadecimal digits>"},
      {"host.example:99999/a",
       "'host.example:99999/a' is not an image name: 'host.example:99999' is not a host name "
       "with an optional port"},
  }));
  try {
    Reference::parse(row.text);
    FAIL("accepted: " << row.text);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::usage);
    CHECK(error.message() == row.message);
    CHECK_FALSE(error.hint().empty());
  }
}

TEST_CASE("image locations") {
  const auto layout = ImageLocation::parse("oci:/var/lib/x:1.0");
  CHECK(layout.kind == ImageLocation::Kind::layout);
  CHECK(layout.path == "/var/lib/x");
  CHECK(layout.tag == "1.0");
  const auto nested = ImageLocation::parse("oci:a:team/app:1");
  CHECK(nested.path == "a");
  CHECK(nested.tag == "team/app:1");
  const auto archive = ImageLocation::parse("oci-archive:x.tar");
  CHECK(archive.kind == ImageLocation::Kind::archive);
  CHECK(archive.to_string() == "oci-archive:x.tar");
  const auto docker = ImageLocation::parse("docker-archive:x.tar:team/app:1");
  CHECK(docker.kind == ImageLocation::Kind::docker_archive);
  CHECK(docker.path == "x.tar");
  CHECK(docker.tag == "team/app:1");
  CHECK(docker.to_string() == "docker-archive:x.tar:team/app:1");
  CHECK_THROWS_WITH(ImageLocation::parse("docker-archive:"), "'docker-archive:' names no file");
  CHECK(ImageLocation::parse("team/sales:1").kind == ImageLocation::Kind::name);
  CHECK_THROWS_AS(ImageLocation::parse("oci:"), Error);
  CHECK_THROWS_AS(ImageLocation::parse("docker://registry.example/x"), Error);
}
