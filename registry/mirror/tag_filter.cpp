#include "registry/mirror/tag_filter.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/mirror/semver.hpp"

#include <algorithm>
#include <regex>

#include <fnmatch.h>

namespace dash::registry {

namespace {

constexpr std::string_view kTagCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
constexpr std::string_view kGlob = "*?[";
constexpr std::size_t kMaxTag = 128;  // distribution-spec, "Pulling manifests"
constexpr std::size_t kMaxPattern = 1000;
constexpr std::string_view kVersions = "semver:";

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(ErrorCode::invalid_input, concat(quoted(text), " is no pattern for tags: ", why))
      .with_hint("patterns look like '1.2', '1.*', '/^v[0-9]+$/' or 'semver:>=1.2 <2'");
}

std::regex make_regex(std::string_view text, std::string_view expression) {
  try {
    return std::regex(std::string(expression), std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& fault) {
    refuse(text, concat("the regular expression is wrong: ", fault.what()));
  }
}

bool matches_one(const std::vector<TagPattern>& patterns, const std::string& tag) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const TagPattern& pattern) { return pattern.matches(tag); });
}

}  // namespace

TagPattern TagPattern::parse(std::string_view text) {
  TagPattern out;
  out.text_ = text;
  if (text.empty()) refuse(text, "it is empty");
  if (text.size() > kMaxPattern) refuse(text.substr(0, 40), concat("it is longer than ", kMaxPattern));
  if (text.starts_with(kVersions)) {
    out.match_ = [range = VersionRange::parse(text.substr(kVersions.size()))](const std::string& tag) {
      const auto version = Version::parse(tag);
      return version && range.contains(*version);
    };
    return out;
  }
  if (text.starts_with('/')) {
    if (text.size() < 3 || !text.ends_with('/')) refuse(text, "a regular expression stands between two '/'");
    out.match_ = [regex = make_regex(text, text.substr(1, text.size() - 2))](const std::string& tag) {
      return std::regex_search(tag, regex);
    };
    return out;
  }
  if (text.find_first_of(kGlob) != std::string_view::npos) {
    if (text.find_first_not_of(concat(kTagCharacters, kGlob, "]!^")) != std::string_view::npos)
      refuse(text, "it has characters that no tag has");
    out.match_ = [glob = out.text_](const std::string& tag) {
      return ::fnmatch(glob.c_str(), tag.c_str(), 0) == 0;
    };
    return out;
  }
  if (text.find_first_not_of(kTagCharacters) != std::string_view::npos || text.size() > kMaxTag ||
      text.front() == '.' || text.front() == '-')
    refuse(text,
           "a tag has up to 128 letters, digits, '_', '.' and '-', and starts with none of '.' and '-'");
  return out;
}

bool TagFilter::matches(const std::string& tag) const {
  const auto is_named = [&](const TagPattern& pattern) { return pattern.is_name() && pattern.matches(tag); };
  if (matches_one(exclude, tag)) return false;
  if (parse_digest_tag(tag)) return std::any_of(include.begin(), include.end(), is_named);
  return include.empty() || matches_one(include, tag);
}

bool TagFilter::needs_list() const {
  return include.empty() || !std::all_of(include.begin(), include.end(),
                                         [](const TagPattern& pattern) { return pattern.is_name(); });
}

std::vector<std::string> TagFilter::names() const {
  std::vector<std::string> out;
  for (const auto& pattern : include)
    if (pattern.is_name() && !matches_one(exclude, pattern.text())) out.push_back(pattern.text());
  return out;
}

std::optional<DigestTag> parse_digest_tag(std::string_view tag) {
  constexpr std::string_view kStart = "sha256-";
  constexpr std::size_t kHex = 64;
  if (!tag.starts_with(kStart) || tag.size() < kStart.size() + kHex) return std::nullopt;
  const auto subject = oci::Digest::try_parse(concat("sha256:", tag.substr(kStart.size(), kHex)));
  const auto suffix = tag.substr(kStart.size() + kHex);
  if (!subject || (!suffix.empty() && !suffix.starts_with('.'))) return std::nullopt;
  return DigestTag{*subject, std::string(suffix)};
}

}  // namespace dash::registry
