// What requirements.txt reaches: included files, local packages, indexes.
#pragma once

#include "base/sha256.hpp"
#include "base/thread_pool.hpp"
#include "builder/app/app_directory.hpp"
#include "builder/app/file_leaf.hpp"

#include <cstddef>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::builder {

// A requirements or constraints file of the app.
struct RequirementsFile {
  std::string path;  // relative to the app
  Sha256 digest{};   // of its bytes
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
  // Of the files that may be installed, from the --hash options of all places; empty: any file. Other
  // algorithms than SHA-256 are not noted.
  std::vector<Sha256> hashes;
  bool operator==(const RequestedPackage&) const = default;
};

// Index settings as written in the files: variables not replaced, passwords included. Never print them.
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
  std::vector<std::string> vcs_places;     // "requirements.txt:7" for each line that needs git or the like
  std::vector<std::string> variables;      // names in "${NAME}", sorted
  IndexSettings index;
  enum class Hashes { none, used } hashes = Hashes::none;
};

// Reads `file` and everything it reaches. -r and -c are relative to the file they stand in; local paths are
// relative to the app's root, as pip sees them when it runs there; --find-links takes either. `variables`
// fills "${NAME}" in local paths and file names. An Error(invalid_input) names file and line: a missing file,
// a cycle, a path out of the app, a directory that is no package, a line that no installer accepts. Nothing
// is downloaded: "-r https://…" is refused.
RequirementsFiles collect_requirements(const AppDirectory& app, const std::string& file,
                                       const std::map<std::string, std::string>& variables = {});

// The files and local sources with their digests, each once. A directory counts with everything in it but
// version control.
std::vector<FileLeaf> requirements_leaves(const AppDirectory& app, const RequirementsFiles& files,
                                          ThreadPool& pool, std::stop_token stop = {});

}  // namespace dash::builder
