#include "registry/mirror/mirror_list.hpp"

#include "base/text.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;

namespace {

oci::Reference reference(const std::string& text) {
  return oci::Reference::parse(text);
}

}  // namespace

TEST_CASE("mirror files: everything") {
  const auto list = MirrorList::parse(R"(
destination = "mirror.example:5000/all/{repository}"
prune = true
platforms = ["linux/amd64", "linux/arm/v7"]

[[image]]
source = "registry.example/team/app"
tags = ["1.*", "latest"]
exclude = ["*-rc*"]

[[image]]
source = "docker://registry.example/other:2"
platforms = []
referrers = true
destination = "mirror.example:5000/{registry}/{name}:{tag}-x"
)",
                                      "m.toml");
  CHECK(list.prune == MirrorList::Prune::yes);
  REQUIRE(list.images.size() == 2);
  const auto& app = list.images[0];
  CHECK(app.source.to_string() == "registry.example/team/app");
  CHECK(app.tags.matches("1.2"));
  CHECK_FALSE(app.tags.matches("1.2-rc1"));
  CHECK(app.platforms == std::vector<oci::Platform>{{"linux", "amd64", ""}, {"linux", "arm", "v7"}});
  CHECK(app.referrers == MirrorImage::Referrers::leave);
  CHECK(app.destination->image_for(reference("registry.example/team/app:1.2")).to_string() ==
        "mirror.example:5000/all/team/app:1.2");
  CHECK(app.place == "m.toml:6:1");
  const auto& other = list.images[1];
  CHECK(other.source.to_string() == "registry.example/other:2");
  CHECK(other.platforms.empty());
  CHECK(other.referrers == MirrorImage::Referrers::take);
  CHECK(other.destination->image_for(other.source).to_string() ==
        "mirror.example:5000/registry.example/other:2-x");
}

TEST_CASE("mirror files: destinations") {
  struct {
    const char* text;
    const char* source;
    const char* image;
  } const table[] = {
      {"m.example/a", "r.example/b/c:1", "m.example/a:1"},
      {"docker://m.example/{name}", "r.example/b/c:1", "m.example/c:1"},
      {"m.example:5000/x/{repository}", "r.example/b/c:1", "m.example:5000/x/b/c:1"},
      {"m.example/{registry}/{name}", "R.example:5000/b:1", "m.example/r.example-5000/b:1"},
      {"m.example/{registry}/{name}", "[::1]:5000/b:1", "m.example/1-5000/b:1"},
      {"{registry}/copy/{repository}", "r.example:5000/b:1", "r.example:5000/copy/b:1"},
      {"m.example/all:{name}-{tag}", "r.example/b/c:1", "m.example/all:c-1"},
      {"m.example/all:stable", "r.example/c", "m.example/all:stable"},
      {"m.example/{name}", "r.example/b/c", "m.example/c"},
  };
  for (const auto& row : table) {
    INFO(row.text << " of " << row.source);
    const auto destination = Destination::parse(row.text);
    CHECK(destination.image_for(reference(row.source)).to_string() == row.image);
    CHECK(destination.repository_for(reference(row.source)).tag.empty());
  }
  CHECK(error_of([] { Destination::parse("m.example/a:{tag}-x").image_for(reference("r.example/b")); }) ==
        "invalid_input: 'r.example/b' has no tag for {tag} | give the image a destination of its own");
}

TEST_CASE("mirror files: what is wrong is named with its place") {
  const std::string kDestination =
      "destinations look like 'mirror.example:5000/prefix/{repository}', with {registry}, {repository}, "
      "{name} and, as the tag, {tag} of the source";
  const std::string kPatterns = "patterns look like '1.2', '1.*', '/^v[0-9]+$/' or 'semver:>=1.2 <2'";
  const std::string kImage = "[[image]]\nsource = \"r.example/a\"\n";
  struct {
    std::string text;
    std::string message;
  } const table[] = {
      {"", "m.toml lists no image | add [[image]] with source = \"registry.example/team/app\" below it"},
      {"image = 1", "m.toml:1:9: image is a whole number | each image begins with a line [[image]]"},
      {"image = [1]", "m.toml:1:10: image is a whole number | each image begins with a line [[image]]"},
      {"[image]\nsource = \"a\"", "m.toml:1:1: image is a table | each image begins with a line [[image]]"},
      {"target = \"x\"\n" + kImage,
       "m.toml:1:1: the file has no key 'target' | the keys are destination, image, platforms, prune, "
       "referrers"},
      {kImage + "tag = [\"1\"]",
       "m.toml:3:1: an image has no key 'tag' | the keys are destination, exclude, platforms, referrers, "
       "source, tags"},
      {"[[image]]\ntags = [\"1\"]",
       "m.toml:1:1: an image has no source | add source = \"registry.example/team/app\""},
      {"prune = \"yes\"\n" + kImage,
       "m.toml:1:9: prune is a string | it must be true or false without quotes"},
      {kImage + "tags = \"1\"", "m.toml:3:8: tags is a string | it must be an array of strings in quotes"},
      {kImage + "tags = [\"1\", 2]",
       "m.toml:3:14: an entry of tags is a whole number | it must be a string in quotes"},
      {kImage + "tags = []", "m.toml:3:8: tags is empty | without it every tag is taken"},
      {kImage + "tags = [\"1\",\n  \"/(/x\"]",
       "m.toml:4:3: '/(/x' is no pattern for tags: a regular expression stands between two '/' | " +
           kPatterns},
      {kImage + "exclude = [\"semver:>\"]",
       "m.toml:3:12: '>' is no range of versions: a version is missing after '>' | ranges look like '>=1.2 "
       "<2', '^1.4 || ~2.1', '1.2 - 1.4' or '1.x'"},
      {kImage + "platforms = [\"amd64\"]",
       "m.toml:3:14: 'amd64' is no platform | platforms look like 'linux/amd64' or 'linux/arm/v7'"},
      {"[[image]]\nsource = \"r.example/A\"",
       "m.toml:2:10: 'r.example/A' is not an image name: the repository part 'A' must be lower-case letters "
       "and digits, separated by '.', '_', '__' or '-' | names look like 'sales', 'team/sales:1.2' or "
       "'registry.example:5000/team/sales:1.2'"},
      {"[[image]]\nsource = \"r.example/a:1\"\ntags = [\"1\"]",
       "m.toml:3:8: the source 'r.example/a:1' is one image and tags chooses among many | leave out tags, or "
       "the source's tag and digest"},
      {"[[image]]\nsource = \"r.example/a:1@sha256:" + std::string(64, '0') + "\"",
       "m.toml:2:10: 'r.example/a:1@sha256:" + std::string(64, '0') +
           "' has a tag and a digest | one of them says which image is meant"},
      {kImage + "destination = \"m.example/{repo}\"",
       "m.toml:3:15: 'm.example/{repo}' is no destination: {repo} is no part of a source | " + kDestination},
      {kImage + "destination = \"m.example/{repository\"",
       "m.toml:3:15: 'm.example/{repository' is no destination: '{' has no '}' | " + kDestination},
      {kImage + "destination = \"m.example/{name}-{tag}\"",
       "m.toml:3:15: 'm.example/{name}-{tag}' is no destination: {tag} stands in the repository | write it "
       "as the tag: …/{repository}:{tag}"},
      {kImage + "destination = \"m.example/a:{repository}\"",
       "m.toml:3:15: 'm.example/a:{repository}' is no destination: {repository} stands in the tag, which has "
       "no '/' | {name} is its last part"},
      {kImage + "destination = \"mirror/{name}\"",
       "m.toml:3:15: 'mirror/{name}' is no destination: 'mirror/app' names no registry | " + kDestination},
      {kImage + "destination = \"m.example:5000\"",
       "m.toml:3:15: 'm.example:5000' is no destination: 'm.example:5000' names no registry | " +
           kDestination},
      {kImage + "destination = \"m.example/a@sha256:0\"",
       "m.toml:3:15: 'm.example/a@sha256:0' is no destination: it names a digest | " + kDestination},
      {kImage + "destination = \"m.example/a:\"",
       "m.toml:3:15: 'm.example/a:' is no destination: the tag is empty | " + kDestination},
  };
  for (const auto& row : table) {
    INFO(row.text);
    CHECK(error_of([&] { MirrorList::parse(row.text, "m.toml"); }) == "invalid_input: " + row.message);
  }
  CHECK(contains(error_of([] { MirrorList::parse("prune = \n", "m.toml"); }), "invalid_input: m.toml:1:"));
}
