#include "registry/mirror/tag_filter.hpp"

#include "base/text.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;

namespace {

TagFilter filter(const std::vector<std::string>& include, const std::vector<std::string>& exclude = {}) {
  TagFilter out;
  for (const auto& text : include) out.include.push_back(TagPattern::parse(text));
  for (const auto& text : exclude) out.exclude.push_back(TagPattern::parse(text));
  return out;
}

const std::string kDigestTag = "sha256-" + std::string(64, 'a');

}  // namespace

TEST_CASE("tag patterns") {
  struct {
    const char* pattern;
    std::vector<const char*> matching;
    std::vector<const char*> other;
  } const table[] = {
      {"latest", {"latest"}, {"latest-1", "Latest"}},
      {"1.*", {"1.2", "1.2.3-rc", "1."}, {"1", "11.2", "v1.2"}},
      {"v?", {"v1"}, {"v", "v12"}},
      {"[0-9]*", {"1.2"}, {"v1"}},
      {"[!v]*", {"1.2"}, {"v1"}},
      {"/^v[0-9]+$/", {"v12"}, {"v1.2", "av1"}},
      {"/alpine/", {"1.2-alpine", "alpine3"}, {"1.2"}},
      {"semver:>=1.2 <2", {"1.2", "v1.9.9"}, {"2.0", "latest", "1.3-rc"}},
  };
  for (const auto& row : table) {
    for (const auto* tag : row.matching) {
      INFO(row.pattern << " matches " << tag);
      CHECK(TagPattern::parse(row.pattern).matches(tag));
    }
    for (const auto* tag : row.other) {
      INFO(row.pattern << " does not match " << tag);
      CHECK_FALSE(TagPattern::parse(row.pattern).matches(tag));
    }
  }
}

TEST_CASE("tag patterns: what is none") {
  const char* const kHint = " | patterns look like '1.2', '1.*', '/^v[0-9]+$/' or 'semver:>=1.2 <2'";
  const char* const kTag =
      "a tag has up to 128 letters, digits, '_', '.' and '-', and starts with none of '.' and '-'";
  const std::pair<std::string, std::string> table[] = {
      {"", "it is empty"},
      {"/", "a regular expression stands between two '/'"},
      {"/abc", "a regular expression stands between two '/'"},
      {"team/*", "it has characters that no tag has"},
      {"a b", kTag},
      {"-a", kTag},
      {std::string(129, 'a'), kTag},
  };
  for (const auto& [text, why] : table)
    CHECK(error_of([&, &text = text] { TagPattern::parse(text); }) ==
          concat("invalid_input: ", quoted(text), " is no pattern for tags: ", why, kHint));
  CHECK(contains(error_of([] { TagPattern::parse("/(/"); }),
                 "invalid_input: '/(/' is no pattern for tags: the regular expression is wrong: "));
  CHECK(contains(error_of([] { TagPattern::parse("semver:>=x2"); }), "'>=x2' is no range of versions"));
  CHECK(contains(error_of([] { TagPattern::parse(std::string(2000, '*')); }), "it is longer than 1000"));
}

TEST_CASE("tag filters: includes and excludes") {
  const auto some = filter({"1.*", "latest", "edge"}, {"*-rc*", "edge"});
  CHECK(some.matches("1.2"));
  CHECK(some.matches("latest"));
  CHECK_FALSE(some.matches("1.2-rc1"));
  CHECK_FALSE(some.matches("edge"));
  CHECK(some.needs_list());
  CHECK(some.names() == std::vector<std::string>{"latest"});
  CHECK_FALSE(filter({"1.2", "latest"}, {"*-rc"}).needs_list());
  CHECK(filter({}).needs_list());
  CHECK(filter({}, {"1.*"}).matches("2.0"));
}

TEST_CASE("tag filters: what stands for a digest is matched by its name only") {
  CHECK_FALSE(filter({}).matches(kDigestTag));
  CHECK_FALSE(filter({"*", "/./"}).matches(kDigestTag + ".sig"));
  CHECK(filter({kDigestTag + ".sig"}).matches(kDigestTag + ".sig"));
  CHECK(filter({"*"}).matches("sha256-abc"));
  const auto parsed = parse_digest_tag(kDigestTag + ".att");
  REQUIRE(parsed);
  CHECK(parsed->subject.hex() == std::string(64, 'a'));
  CHECK(parsed->suffix == ".att");
  CHECK(parse_digest_tag(kDigestTag)->suffix.empty());
  CHECK_FALSE(parse_digest_tag(kDigestTag + "b"));
  CHECK_FALSE(parse_digest_tag("sha256-" + std::string(64, 'z')));
}
