// A package's metadata, and its record in conda-meta (CEP 32).
#pragma once

#include "builder/conda/explicit_lock.hpp"
#include "builder/conda/package_archive.hpp"
#include "builder/python/wheel.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// What the package's record in the channel says, and where there is none its own index.json; with link.json
// or its predecessor.
struct PackageIndex {
  std::string name;
  std::string version;
  std::string build;
  std::vector<std::string> dependencies;  // names, sorted
  enum class Noarch { no, generic, python } noarch = Noarch::no;
  std::vector<EntryPoint> entry_points;
  std::string python_site_packages;  // python_site_packages_path (CEP 17) of a python package, or empty
  std::string json;                  // the record itself
};

// Error(corrupt) naming the package where there is no index, or one that cannot be read.
PackageIndex read_package_index(const PackageArchive& archive, const CondaPackageUrl& package);

// A path that a package installed; relative to the prefix.
struct RecordedPath {
  std::string path;
  std::string type = "hardlink";  // conda's path_type
  std::string sha256;
  std::string sha256_in_prefix;
  std::optional<std::uint64_t> size;
  std::string placeholder;
  std::string file_mode;
  bool no_link = false;
};

// The JSON of conda-meta/<dist>.json: sorted keys, and paths in the order given. URLs without credentials.
std::string package_record(const PackageIndex& index, const CondaPackageUrl& package,
                           const std::string& prefix, const std::vector<RecordedPath>& paths);

// The record with .pyc files, relative to the prefix, at the end of its lists.
std::string add_bytecode(const std::string& record, const std::vector<std::string>& pyc_paths);

}  // namespace dash::builder
