// Versions and ranges of them, as tags are chosen by (semver.org 2.0; ranges as npm and Masterminds write
// them).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

// "1.2.3-rc.1". Ordered by precedence (semver.org §11).
struct Version {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  std::uint64_t patch = 0;
  std::vector<std::string> prerelease;  // "rc", "1"

  // As people write tags: a "v" before it, missing parts (they are 0) and leading zeros are fine; build
  // metadata ("+" or, as in tags, "_") is dropped. Nothing for everything else.
  static std::optional<Version> parse(std::string_view text);
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version&) const = default;
};

// Names that are no versions first, by their bytes, then versions, the lowest first; equal ones by their
// bytes.
void sort_by_version(std::vector<std::string>& tags);

// ">=1.2 <2 || ^3.1": alternatives of conditions that all must hold.
//
// Conditions: = != > >= < <= with a version or a part of one ("1.2", "1.x"), ^ (same leftmost number that is
// not 0), ~ (same minor version), "1.2 - 1.4", *. Blanks and commas separate them. Prereleases are only in an
// alternative that names one itself (">=1.3.0-0").
class VersionRange {
 public:
  // Throws Error(invalid_input) that quotes the text.
  static VersionRange parse(std::string_view text);
  bool contains(const Version& version) const;

 private:
  // From `low` to `high`, or everything but that.
  struct Interval {
    enum class Edge { inside, outside };
    std::optional<Version> low;
    Edge low_edge = Edge::inside;
    std::optional<Version> high;
    Edge high_edge = Edge::inside;
    enum class Means { in, not_in } means = Means::in;
    bool contains(const Version& version) const;
  };
  struct Alternative {
    std::vector<Interval> all;
    enum class Prereleases { refused, admitted } prereleases = Prereleases::refused;
  };
  class Parser;
  std::vector<Alternative> alternatives_;
};

}  // namespace dash::registry
