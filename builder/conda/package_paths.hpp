// Which of a package's files are installed, and which hold the prefix it was built for.
#pragma once

#include "builder/conda/package_archive.hpp"
#include "builder/conda/prefix_replacement.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

struct PackagePath {
  std::string path;                  // in the package; checked: relative, without "." and ".."
  EntryType type = EntryType::file;  // file, symlink or directory
  std::string sha256;                // hex; empty: not given. Of a symlink it is its target's.
  std::optional<std::uint64_t> size;
  Replacement::Mode mode = Replacement::Mode::none;
  std::string placeholder;
  enum class NoLink { no, yes } no_link = NoLink::no;
};

// From info/paths.json (CEP 34), or, in packages that are older, info/files with has_prefix and no_link; a
// package without any of them has all its files installed. In the order there. Error(corrupt) naming the
// package for files that cannot be read or have unsafe paths, Error(unsupported) for another version of
// paths.json.
std::vector<PackagePath> package_paths(const PackageArchive& archive);

// The reading of one such file; `name` is the package's.
std::vector<PackagePath> parse_paths_json(const std::string& text, const std::string& name);

// The prefix of has_prefix lines that name none.
inline constexpr const char* kOldPlaceholder = "/opt/anaconda1anaconda2anaconda3";

struct PrefixLine {
  std::string path;
  Replacement::Mode mode = Replacement::Mode::text;
  std::string placeholder = kOldPlaceholder;
};
// A line of has_prefix: "path", or "placeholder mode path", each maybe in quotes.
PrefixLine parse_prefix_line(std::string_view line);

}  // namespace dash::builder
