// Conda packages by URL: what a solver answered, or an app's own "@EXPLICIT" file (conda's "explicit" format).
#pragma once

#include "builder/conda/package_archive.hpp"

#include <optional>
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
  std::string repodata = {};
  std::size_t line = 0;  // in the file it comes from; 0: in none

  // Parts of the URL: "https://host/channel/linux-64/name-version-build.conda".
  std::string file_name() const;
  std::string dist() const;     // "name-version-build"
  std::string subdir() const;   // "linux-64", "noarch"
  std::string channel() const;  // "https://host/channel", without credentials
  std::string name() const;
  std::string version() const;
  std::string build() const;
};

struct ExplicitLock {
  std::vector<CondaPackageUrl> packages;
};

// Whether a requirements file is taken as explicit from some line on: it has a line "@EXPLICIT".
bool is_explicit(std::string_view text);

// Reads an explicit file: comments, blank lines, "@EXPLICIT", and from there lines of URLs or absolute paths,
// each with an optional "#md5" or "#sha256" (also "#sha256:…" and "#md5:…"). Lines before "@EXPLICIT" are not
// looked at, as in conda. Error(invalid_input) names file and line: what is no package, a foreign platform, a
// hash of another length, two packages of one name.
ExplicitLock parse_explicit_lock(std::string_view text, std::string_view file);

// The lock as such a file, which conda takes too. Packages keep their order.
std::string format_explicit_lock(const ExplicitLock& lock);

}  // namespace dash::builder
