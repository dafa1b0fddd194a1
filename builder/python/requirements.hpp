// What a requirements file says directly, for step keys, hash pins and REQUESTED markers. Resolving is uv's
// business.
#pragma once

#include "base/path.hpp"
#include "base/sha256.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct Requirement {
  std::string name;            // normalised; empty for a path or URL without a name
  std::string text;            // the requirement without options and comment
  std::string where;           // "requirements.txt:3"
  std::vector<Sha256> hashes;  // --hash=sha256:…
};

struct Requirements {
  std::vector<Requirement> items;  // of the file and what it includes with -r; not of constraints
  std::vector<std::string> files;  // every file read (-r and -c included), relative to the root, sorted
  std::vector<std::string>
      local_paths;  // local projects, archives and --find-links directories, relative, sorted
};

// Reads `file` (relative to the app's root) and what it includes. pip's grammar: continuation lines,
// comments, options. A file that is missing or leaves the root is Error(invalid_input) that names the
// including line.
Requirements read_requirements(const fs::path& root, const std::string& file);

}  // namespace dash::builder
