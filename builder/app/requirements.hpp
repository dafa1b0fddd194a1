// What requirements.txt reaches: included files, local packages, indexes.
#pragma once

#include "base/sha256.hpp"
#include "base/thread_pool.hpp"
#include "builder/app/app_directory.hpp"
#include "builder/app/file_leaf.hpp"
#include "builder/app/ignore_rules.hpp"

#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::builder {

// A requirements or constraints file of the app.
struct RequirementsFile {
  std::string path;                // relative to the app
  Sha256 digest{};                 // of the lines that count
  std::vector<std::string> lines;  // the same, as they may be shown
  bool operator==(const RequirementsFile&) const = default;
};

// A file or directory of the app that packages are installed from.
struct LocalSource {
  enum class Use { install, editable, find_links };
  std::string path;  // relative to the app; "." for the app itself
  FileKind kind = FileKind::file;
  Use use = Use::install;
  std::string place;  // "requirements.txt:3"
  bool operator==(const LocalSource&) const = default;
};

// A package that is asked for by name, wherever it comes from.
struct RequestedPackage {
  std::string name;   // normalised
  std::string place;  // "requirements.txt:3", the first place
  bool operator==(const RequestedPackage&) const = default;
};

// A hash that a file must have.
struct FileHash {
  std::string algorithm;  // "sha256", "sha384", "sha512"
  std::string hex;        // lower case, as many digits as the algorithm has
  bool operator==(const FileHash&) const = default;
};

// A line that asks for a package or, in a constraints file, limits it.
struct RequirementLine {
  enum class Role { install, constrain } role = Role::install;
  std::string name;  // normalised; empty where only the target itself can tell
  // For uv: without options, local paths as file: URLs below /app. Variables are not replaced, and URLs may
  // hold passwords: redact_url before printing.
  std::string text;
  std::string place;                               // "requirements.txt:3"
  enum class Pin { none, exact } pin = Pin::none;  // one "==" or "==="
  std::vector<FileHash> hashes;                    // of its --hash options; any of them will do
  bool operator==(const RequirementLine&) const = default;
};

// Index settings as written in the files: variables not replaced, passwords included. Never print them.
// As with pip, --index-url replaces every index that was named before it.
struct IndexSettings {
  std::string index_url;  // the last one given; empty: none
  std::vector<std::string> extra_index_urls;
  std::vector<std::string> find_links;  // URLs only; directories are LocalSources
  std::vector<std::string> trusted_hosts;
  enum class Index { use, none } index = Index::use;
};

struct RequirementsFiles {
  std::vector<RequirementsFile>
      files;                       // in the order in which they are reached, each once; the first is the root
  std::vector<LocalSource> local;  // sorted by path
  std::vector<RequestedPackage> packages;  // sorted by name, each once; not those of constraints
  std::vector<RequirementLine> lines;      // in the order in which they are read, each file once
  std::vector<std::string> vcs_places;     // "requirements.txt:7" for each line that needs git
  std::vector<fs::path> repositories;      // on the host, of "git+file:" lines; sorted, each once
  std::vector<std::string> variables;      // names in "${NAME}", sorted
  IndexSettings index;
  std::vector<std::string> binary_options;  // "--no-binary NAMES", "--only-binary NAMES", in order
  enum class PreReleases { no, yes } pre_releases = PreReleases::no;  // --pre
  // Where the first --hash or --require-hashes stands: every package must have one then. Empty: nowhere.
  std::string hashes_place;
  std::vector<std::string> warnings;  // what has no effect; each names file and line
};

// Reads `file` and everything it reaches. -r and -c are relative to the file they stand in; local paths are
// relative to the app's root, as pip sees them when it runs there; --find-links takes either. `variables`
// fills "${NAME}" in local paths and file names. An Error(invalid_input) names file and line: a missing file,
// a cycle, a path out of the app, a directory that is no package, a line that no installer accepts. Nothing
// is downloaded: "-r https://…" is refused.
// What a version control line needs and cannot have (ssh, Mercurial, a repository that is not there) is
// Error(unsupported) or Error(invalid_input).
RequirementsFiles collect_requirements(const AppDirectory& app, const std::string& file,
                                       const std::map<std::string, std::string>& variables = {});

// For an app that is a project itself: what installing "." means. `file` is what makes it one ("setup.py").
RequirementsFiles collect_project(const std::string& file);

// The files and local sources with their digests, each once; of directories what SourceTree::scan_below
// finds.
std::vector<FileLeaf> requirements_leaves(const AppDirectory& app, const RequirementsFiles& files,
                                          const IgnoreRules& rules, ThreadPool& pool,
                                          std::stop_token stop = {});

}  // namespace dash::builder
