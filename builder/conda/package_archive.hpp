// Conda package archives: `.conda` (CEP 35: a stored zip of two zstd tars) and `.tar.bz2`.
#pragma once

#include "base/archive.hpp"
#include "base/file.hpp"
#include "base/mapped_file.hpp"
#include "base/sha256.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash {
class ThreadPool;
}

namespace dash::builder {

// A file, link or directory of a package, outside of its info directory.
struct ArchivedFile {
  std::string path;                  // checked: relative, UTF-8, without "." and ".."
  EntryType type = EntryType::file;  // file, symlink or directory; hard links come out as files
  unsigned mode = 0644;
  std::int64_t mtime = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // of its content in the content file
  Sha256 sha256{};           // of its content
  std::string link_target;
};

struct ReadPackageOptions {
  fs::path content;  // where the content file goes; it must not be there
  // A `.tar.bz2` is slow to read: once it was read its tar is kept here as zstd, and read from here again.
  // Empty: it is not. On the file system of `content`.
  fs::path decoded;
  ThreadPool* pool = nullptr;                     // needed with `decoded`
  std::uint64_t limit = std::uint64_t{64} << 30;  // bytes that may come out
};

// A package that was read: its info files in memory, the content of everything else back to back in one file
// that is mapped, so that memory does not grow with packages. Of two entries of one path the later one
// counts, as when they are unpacked. Thread-safe after construction.
//
// Error(corrupt) naming the package for damaged archives and unsafe names, Error(unsupported) for files of
// neither format and for devices.
class PackageArchive {
 public:
  PackageArchive(const fs::path& archive, const ReadPackageOptions& options);
  PackageArchive(const PackageArchive&) = delete;
  PackageArchive& operator=(const PackageArchive&) = delete;

  const std::string& name() const { return name_; }                  // of the file, for messages
  const std::vector<ArchivedFile>& files() const { return files_; }  // sorted by path
  const ArchivedFile* find(std::string_view path) const;             // nothing: a null pointer
  Bytes content(const ArchivedFile& file) const;
  const fs::path& content_file() const { return content_file_; }
  // A file of the info directory by its name there ("index.json"), of those that installing needs; or null.
  const std::string* info(std::string_view name) const;

 private:
  class Reading;
  std::string name_;
  fs::path content_file_;
  std::vector<ArchivedFile> files_;
  std::map<std::string, std::string, std::less<>> info_;
  MappedFile content_;
};

// Whether `name` is that of a conda package (".conda", ".tar.bz2").
bool is_conda_package(std::string_view name);
// The name without that suffix: "numpy-1.16.2-py37_0".
std::string_view without_conda_suffix(std::string_view name);

// What is known of a package's bytes.
struct PackageDigests {
  std::optional<Sha256> sha256;
  std::string md5;  // 32 lower-case hex digits, or empty
};

// The file's own digests, both. Error(corrupt) with both values where they are not the expected ones.
PackageDigests check_package_digests(const fs::path& archive, const PackageDigests& expected,
                                     std::string_view shown);

}  // namespace dash::builder
