// What installing a conda package comes to: its files in the prefix and its record in conda-meta, as conda
// links them (CEP 32, CEP 34).
#pragma once

#include "builder/conda/explicit_lock.hpp"
#include "builder/conda/package_archive.hpp"
#include "builder/conda/prefix_replacement.hpp"
#include "builder/image_config.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// Where packages go.
struct CondaScheme {
  std::string prefix = kCondaPrefix;  // absolute
  std::string python_version;         // "3.11.7"; empty: the environment has no Python
  // Where the python package says that site-packages is (CEP 17), relative to the prefix; empty: in the usual
  // place.
  std::string python_site_packages;
  std::uint32_t file_times = 0;  // mtime of all files in the image

  std::string python_minor() const;   // "3.11"
  std::string site_packages() const;  // relative to the prefix: "lib/python3.11/site-packages"
  std::string python() const;         // absolute: "/app/.heroku/miniconda/bin/python3.11"
  bool operator==(const CondaScheme&) const = default;
};

// A file, link or empty directory in the image. A file's content is made of one in the package, or is `text`.
struct LinkedFile {
  std::string path;  // relative to the root: "app/.heroku/miniconda/bin/python"
  EntryType type = EntryType::file;
  unsigned mode = 0644;
  std::string link_target;
  std::uint64_t size = 0;
  Sha256 sha256{};  // of the content
  const ArchivedFile* archived = nullptr;
  Replacement replacement;
  std::optional<std::uint32_t> source_time;  // put into the header of a .pyc that was valid in the package
  std::string text;

  // Whether the content is that of the package.
  bool is_unchanged() const {
    return archived != nullptr && replacement.mode == Replacement::Mode::none && !source_time;
  }
};

// A Python source without a valid .pyc in the package.
struct LinkedSource {
  std::size_t file = 0;  // index in LinkedPackage::files
  std::string pyc_path;  // relative to the root
};

struct LinkedPackage {
  std::string name;
  std::string version;
  std::string build;
  std::vector<std::string> dependencies;  // names, sorted
  std::shared_ptr<const PackageArchive> archive;
  std::vector<LinkedFile> files;      // sorted by path
  std::vector<LinkedSource> sources;  // sorted by path
  std::string record_path;            // conda-meta/<dist>.json, relative to the root
  std::string record;                 // its JSON, without the .pyc files of `sources`
  std::vector<std::string> warnings;

  // Content of a file that is changed or made.
  std::string content(const LinkedFile& file) const;
};

// `package` says where it comes from, with both its digests. Error(corrupt) for packages that contradict
// themselves or lack their index, Error(invalid_input) for noarch packages of Python where there is none,
// Error(unsupported) for a prefix that is too long.
LinkedPackage link_package(std::shared_ptr<const PackageArchive> archive, const CondaPackageUrl& package,
                           const CondaScheme& scheme);

// The package's record when these .pyc files, relative to the root, were made for it.
std::string record_with_bytecode(const LinkedPackage& package, const CondaScheme& scheme,
                                 const std::vector<std::string>& pyc_paths);

// Path of the script that a package of this name runs after it was linked, relative to the root.
std::string post_link_script(const std::string& name, const CondaScheme& scheme);

}  // namespace dash::builder
