#include "registry/mirror/semver.hpp"

#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash::registry;
using dash::testing::error_of;

namespace {

bool in(const char* range, const char* version) {
  return VersionRange::parse(range).contains(Version::parse(version).value());
}

}  // namespace

TEST_CASE("versions: order") {
  const char* const ordered[] = {"0.9",
                                 "1.0.0-alpha",
                                 "1.0.0-alpha.1",
                                 "1.0.0-alpha.beta",
                                 "1.0.0-beta",
                                 "1.0.0-beta.2",
                                 "1.0.0-beta.11",
                                 "1.0.0-rc.1",
                                 "v1",
                                 "1.0.1",
                                 "1.2",
                                 "1.10",
                                 "2.0.0-0",
                                 "2",
                                 "2024.01.05"};
  for (std::size_t i = 0; i + 1 < std::size(ordered); ++i) {
    INFO(ordered[i] << " < " << ordered[i + 1]);
    CHECK(Version::parse(ordered[i]).value() < Version::parse(ordered[i + 1]).value());
    CHECK_FALSE(Version::parse(ordered[i + 1]).value() < Version::parse(ordered[i]).value());
  }
  CHECK(Version::parse("v1.2").value() == Version::parse("1.2.0+build.5").value());
  CHECK(Version::parse("1.2.0_build.5").value() == Version::parse("1.2").value());  // a chart's tag
}

TEST_CASE("versions: what is none") {
  for (const auto* text : {"", "v", "latest", "1.2.3.4", "1..2", "1.2.x", "1.2-", "1.2-a..b", "1.2+", "-1",
                           "1.2 ", "1.a", "1234567890123456789", "1.2-\xc3\xa4", "sha256-00"}) {
    INFO(text);
    CHECK_FALSE(Version::parse(text));
  }
}

TEST_CASE("ranges of versions") {
  struct {
    const char* range;
    std::vector<const char*> inside;
    std::vector<const char*> outside;
  } const table[] = {
      {"*", {"0.0.0", "1.2.3", "v9"}, {"1.0.0-rc.1"}},
      {"1.2.3", {"1.2.3", "v1.2.3"}, {"1.2.4", "1.2.3-rc.1"}},
      {"=1.2", {"1.2.0", "1.2.9"}, {"1.1.9", "1.3.0", "1.3.0-rc.1"}},
      {"1.x", {"1.0.0", "1.99.1"}, {"0.9.9", "2.0.0"}},
      {"1.2.*", {"1.2.0", "1.2.9"}, {"1.3.0"}},
      {">1.2", {"1.3.0", "2"}, {"1.2.0", "1.2.9"}},
      {">1.2.3", {"1.2.4"}, {"1.2.3"}},
      {">=1.2", {"1.2.0", "3"}, {"1.1.9", "2.0.0-rc.1"}},
      {"<1.2", {"1.1.9"}, {"1.2.0", "1.2.0-rc.1"}},
      {"<=1.2", {"1.2.9", "0"}, {"1.3.0"}},
      {"<=1.2.3", {"1.2.3"}, {"1.2.4"}},
      {"!=1.2.3", {"1.2.4", "1.2.2"}, {"1.2.3"}},
      {"!=1.2", {"1.3.0", "1.1.0"}, {"1.2.0", "1.2.7"}},
      {">*", {}, {"0.0.0", "1.0.0"}},
      {"<*", {}, {"0.0.0", "1.0.0"}},
      {"^1.2.3", {"1.2.3", "1.9.0"}, {"1.2.2", "2.0.0"}},
      {"^1", {"1.0.0", "1.9.0"}, {"2.0.0"}},
      {"^0.2.3", {"0.2.3", "0.2.9"}, {"0.3.0", "0.2.2"}},
      {"^0.0.3", {"0.0.3"}, {"0.0.4", "0.0.2"}},
      {"^0.0", {"0.0.0", "0.0.9"}, {"0.1.0"}},
      {"^0", {"0.0.1", "0.9.0"}, {"1.0.0"}},
      {"^1.2.x", {"1.2.0", "1.9.0"}, {"1.1.0", "2.0.0"}},
      {"~1.2.3", {"1.2.3", "1.2.9"}, {"1.2.2", "1.3.0"}},
      {"~1.2", {"1.2.0"}, {"1.3.0"}},
      {"~> 1", {"1.0.0", "1.9.0"}, {"2.0.0"}},
      {"1.2 - 1.4", {"1.2.0", "1.4.9"}, {"1.1.9", "1.5.0"}},
      {"1.2.3 - 2.0.0", {"1.2.3", "2.0.0"}, {"1.2.2", "2.0.1"}},
      {">= 1.2, < 2 !=1.5.0", {"1.2.0", "1.9.9"}, {"1.5.0", "2.0.0", "2.0.0-rc.1"}},
      {"^1.2 || ~3.1||5", {"1.9.0", "3.1.4", "5.6.7"}, {"2.0.0", "3.2.0", "6.0.0"}},
      // Prereleases, where an alternative names one.
      {">=1.3.0-0 <2", {"1.3.0-alpha", "1.3.0", "1.4.0-rc.1"}, {"1.2.9", "2.0.0-rc.1"}},
      {"^1.2.3-beta.2", {"1.2.3-beta.2", "1.2.3-beta.11", "1.2.3", "1.9.0"}, {"1.2.3-beta.1", "2.0.0-0"}},
      {"=1.2.3-rc.1", {"1.2.3-rc.1"}, {"1.2.3-rc.2", "1.2.3"}},
      {"^0.0.3-rc.1", {"0.0.3-rc.1", "0.0.3"}, {"0.0.4-0", "0.0.3-alpha"}},
      {"1.0.0-0 - 2", {"1.0.0-rc.1", "2.9.0"}, {"3.0.0-0"}},
      {"<1 || >=2.0.0-0", {"0.9.0", "2.0.0-rc.1"}, {"0.9.0-rc.1", "1.0.0"}},
      {"!=1.2.3-rc.1", {"1.2.3"}, {"1.2.3-rc.2"}},
  };
  for (const auto& row : table) {
    for (const auto* version : row.inside) {
      INFO(row.range << " has " << version);
      CHECK(in(row.range, version));
    }
    for (const auto* version : row.outside) {
      INFO(row.range << " does not have " << version);
      CHECK_FALSE(in(row.range, version));
    }
  }
}

TEST_CASE("ranges of versions: what is none") {
  const char* const kHint = " | ranges look like '>=1.2 <2', '^1.4 || ~2.1', '1.2 - 1.4' or '1.x'";
  const std::pair<const char*, const char*> table[] = {
      {"", "'' is no range of versions: a condition is missing; '*' is every version"},
      {"1 || ", "'1 || ' is no range of versions: a condition is missing; '*' is every version"},
      {">=1.2 <", "'>=1.2 <' is no range of versions: a version is missing after '<'"},
      {">=a", "'>=a' is no range of versions: 'a' is no version"},
      {"1.2.3.4", "'1.2.3.4' is no range of versions: '1.2.3.4' is no version"},
      {"1.x.3", "'1.x.3' is no range of versions: '1.x.3' is no version"},
      {"1.2-rc", "'1.2-rc' is no range of versions: '1.2-rc' is no version"},
      {"1 -", "'1 -' is no range of versions: '-' is no version"},
      {"1 | 2", "'1 | 2' is no range of versions: '| 2' is no condition"},
  };
  for (const auto& [text, message] : table)
    CHECK(error_of([&] { VersionRange::parse(text); }) == std::string("invalid_input: ") + message + kHint);
}

TEST_CASE("versions: lists of tags are sorted by them") {
  std::vector<std::string> tags = {"v1.10.0", "1.9",   "latest", "1.10.0-rc.1",
                                   "v1.9",    "Alpha", "1.10.0", "2024.01.05"};
  sort_by_version(tags);
  CHECK(tags == std::vector<std::string>{"Alpha", "latest", "1.9", "v1.9", "1.10.0-rc.1", "1.10.0", "v1.10.0",
                                         "2024.01.05"});
}
