// Conda packages by URL: what a solver answered, or an app's own "@EXPLICIT" file (conda's "explicit"
// format).
#pragma once

#include "builder/conda/package_archive.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// One package of a lock.
struct CondaPackageUrl {
  std::string url;  // https:, http: or file:, without fragment; may carry credentials or a token
  PackageDigests digests;
  // The package's record in its channel's repodata (a JSON object), where a solver knew it; else empty, and
  // the package's own index.json is taken. Channels correct records after the fact, so this one counts.
  std::string repodata;

  // Parts of the URL, here of "https://host/channel/linux-64/name-version-build.conda".
  std::string file_name() const;   // "name-version-build.conda"
  std::string dist() const;        // "name-version-build"
  std::string subdir() const;      // "linux-64"
  std::string channel() const;     // "https://host/channel", as in public_url
  std::string public_url() const;  // the whole, without credentials and token ("/t/TOKEN/")
  std::string name() const;
  std::string version() const;
  std::string build() const;
};

// Text as it may be shown and kept: URLs in it without user names, passwords, tokens and queries.
std::string public_text(std::string_view text);

struct ExplicitLock {
  std::vector<CondaPackageUrl> packages;
};

// Whether the text is an explicit file: it has a line "@EXPLICIT".
bool is_explicit(std::string_view text);

// Reads an explicit file: from "@EXPLICIT" on, each line that is neither blank nor a comment is a URL or an
// absolute path with an optional "#md5" or "#sha256" (also "#md5:…" and "#sha256:…"); what is in front of it
// does not count, as in conda. Error(invalid_input) names file and line: what is no package, a foreign
// platform, a hash that is none, two packages of one name.
ExplicitLock parse_explicit_lock(std::string_view text, std::string_view file);

// The lock as such a file, which conda takes too. Packages keep their order; URLs are as they are.
std::string format_explicit_lock(const ExplicitLock& lock);

}  // namespace dash::builder
