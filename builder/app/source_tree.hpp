// The app's source as it goes into the image: a sorted list of entries and their digest.
#pragma once

#include "base/archive.hpp"
#include "base/sha256.hpp"
#include "base/thread_pool.hpp"
#include "builder/app/app_directory.hpp"
#include "builder/app/ignore_rules.hpp"

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

struct stat;

namespace dash::builder {

class StatCache;

// A file's identity on this machine; equal stamps mean equal content (as git's index assumes).
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const struct ::stat& info);
// The clock that times of change are compared with, in nanoseconds since the epoch.
std::int64_t now_ns();

struct SourceEntry {
  std::string path;                  // relative to the tree's root; any bytes but NUL
  EntryType type = EntryType::file;  // file, directory or symlink
  bool executable = false;           // the owner's execute bit of a file
  std::string link_target;           // of a symlink
  FileStamp stamp;                   // of a file; takes no part in the digest
};

struct TreeDigests {
  Sha256 tree{};
  std::vector<Sha256> contents;  // one for each entry; of what is no file it says nothing
};

// Reads names and attributes once; content only in `digest` and `digests`. Immutable after that; may be used
// by several threads. Version control and this program's own files (".git", ".dash-build*") are never part of
// it, at any depth.
class SourceTree {
 public:
  // The app as its layer holds it, without what .slugignore and .dockerignore leave out. The root's Procfile
  // stays in always: an image without it could not start. Sockets, devices, fifos and symbolic links that
  // lead out of the app are an Error(invalid_input) that names them.
  static SourceTree scan(const AppDirectory& app, const IgnoreRules& rules, std::stop_token stop = {});
  // A directory of the app, for packages that are installed from it. The rules apply below it; they do not
  // when they ignore the directory itself, which keeps it out of the image and not from being installed.
  static SourceTree scan_below(const AppDirectory& app, const std::string& directory,
                               const IgnoreRules& rules, std::stop_token stop = {});

  // Sorted by the bytes of the path; the root itself is not listed.
  const std::vector<SourceEntry>& entries() const { return entries_; }
  // Content of all files together.
  std::uint64_t content_bytes() const;

  // Whether the path is part of the tree; fits oci::TreeOptions::keep.
  bool keep(const std::string& path, EntryType type) const;

  // Over path, kind, execute bit and content or link target of each entry; neither times, owners, other
  // permission bits nor the directory's own place matter. Reads every file, spread over the pool. A file that
  // changed since the scan is an Error(invalid_input).
  Sha256 digest(const AppDirectory& app, ThreadPool& pool, std::stop_token stop = {}) const;
  // The same, with what each file came to. With a `cache` only files that it does not know are read, and it
  // learns them.
  TreeDigests digests(const AppDirectory& app, ThreadPool& pool, std::stop_token stop,
                      StatCache* cache) const;

 private:
  class Scanner;
  std::string root_ = ".";       // relative to the app
  std::int64_t scanned_at_ = 0;  // before the first entry was looked at; nanoseconds since the epoch
  std::vector<SourceEntry> entries_;
};

}  // namespace dash::builder
