// Which tags of a repository are meant: names, globs, regular expressions and ranges of versions.
#pragma once

#include "oci/digest.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

// "1.2", "1.*", "/^v[0-9]+$/" (found anywhere in the tag, ECMAScript), "semver:>=1.2 <2" (semver.hpp).
class TagPattern {
 public:
  // Throws Error(invalid_input) that quotes the text.
  static TagPattern parse(std::string_view text);

  const std::string& text() const { return text_; }
  // A tag itself, without anything that could match another.
  bool is_name() const { return !match_; }
  bool matches(const std::string& tag) const { return match_ ? match_(tag) : tag == text_; }

 private:
  std::string text_;
  std::function<bool(const std::string&)> match_;
};

// Tags that match one of `include` (all when it is empty) and none of `exclude`. Tags that stand for what
// refers to an image (parse_digest_tag) are matched by no pattern, only by their name.
struct TagFilter {
  std::vector<TagPattern> include;
  std::vector<TagPattern> exclude;

  bool matches(const std::string& tag) const;
  // Whether it takes a list of the repository's tags to know what is meant.
  bool needs_list() const;
  // The tags that are named in full, without those that are excluded.
  std::vector<std::string> names() const;
};

// "sha256-<hex>", as registries without a referrers API list what refers to a digest (distribution-spec
// "Referrers Tag Schema"), and "sha256-<hex>.sig" (.att, .sbom), where cosign puts it.
struct DigestTag {
  oci::Digest subject;
  std::string suffix;  // ".sig", or empty
};
std::optional<DigestTag> parse_digest_tag(std::string_view tag);

}  // namespace dash::registry
