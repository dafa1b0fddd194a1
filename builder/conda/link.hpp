// What installing a conda package comes to: its files in the prefix and its record in conda-meta, as conda
// links them (CEP 32, CEP 34).
#pragma once

#include "builder/conda/explicit_lock.hpp"
#include "builder/conda/package_archive.hpp"
#include "builder/conda/prefix_replacement.hpp"
#include "builder/image_config.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// Where packages go; paths are absolute.
struct CondaScheme {
  std::string prefix = kCondaPrefix;
  std::string python_version;  // "3.11.7"; empty: the environment has no Python
  // CEP 17: what the python package's record says; empty: lib/pythonX.Y/site-packages.
  std::string python_site_packages = {};
  std::int64_t file_times = 0;  // mtime of every file, which shipped .pyc files are stamped with

  std::string python_minor() const;   // "3.11"
  std::string site_packages() const;  // relative to the prefix
  std::string identity() const;       // for step keys
};

// A file, link or directory in the image.
struct LinkedFile {
  std::string path;  // relative to the root: "app/.heroku/miniconda/bin/python"
  EntryType type = EntryType::file;
  unsigned mode = 0644;
  std::string link_target = {};
  std::uint64_t size = 0;
  std::string content_name = {};           // SHA-256 of the content, hex; of a link "-> target"
  const ArchivedFile* archived = nullptr;  // content in the package …
  Replacement replacement = {};            // … changed in this way
  std::optional<std::uint32_t> stamp = {};  // … or, of a .pyc, with this time
  std::string text = {};                   // content that was made, when not archived
};

// A Python source that gets a .pyc.
struct LinkedSource {
  const LinkedFile* file = nullptr;
  std::string pyc_path;  // relative to the root
};

struct LinkedPackage {
  std::string name;
  std::string version;
  std::string build;
  std::vector<std::string> dependencies;  // names
  std::shared_ptr<const PackageArchive> archive;
  std::vector<LinkedFile> files;      // sorted with oci::layer_path_less; without .pyc of `sources`
  std::vector<LinkedSource> sources;  // sorted by path; have no valid .pyc in the package
  std::string record_path;            // conda-meta/<dist>.json, relative to the root
  std::string record;                 // its JSON without the .pyc files of `sources`
  std::string post_link;              // path of the post-link script, relative to the root, or empty
  std::vector<std::string> warnings;  // checksums of paths.json that are wrong

  // The content of a file, or nothing read where it lies in memory already.
  std::string content(const LinkedFile& file) const;
  bool is_plain(const LinkedFile& file) const;  // whether it is archived and unchanged
  // The record with the .pyc files that were made.
  std::string complete_record(const std::vector<std::string>& pyc_paths) const;
};

// `package` names where it comes from; its digests must be complete. Error(corrupt) for packages that
// contradict themselves, Error(invalid_input) for noarch python packages without Python, Error(unsupported)
// for placeholders shorter than the prefix.
LinkedPackage link_package(std::shared_ptr<const PackageArchive> archive, const CondaPackageUrl& package,
                           const CondaScheme& scheme);

}  // namespace dash::builder
