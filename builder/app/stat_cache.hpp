// Digests of files that were read before, by what the kernel says about them: how a tree of 50,000 files is
// known to be unchanged without reading it (docs/formats/store.md).
#pragma once

#include "base/path.hpp"
#include "base/sha256.hpp"
#include "builder/app/source_tree.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace dash::builder {

// Directory of records that the files are in.
inline constexpr const char* kTreeRecords = "trees";

// Where what is known of a directory, or of a single file, is kept below the store's records.
fs::path stat_cache_file(const fs::path& records, const fs::path& of);

// The memory of one directory, kept in one file. Losing it, or half of it, costs reading again. Not
// thread-safe; several processes may use one file, the last one to save wins.
class StatCache {
 public:
  // Reads what is there, which counts as used (oci/lease.hpp). A file that is damaged, or of another format,
  // counts as empty.
  explicit StatCache(fs::path file);

  // The digests of the tree's files, as far as they are known, one for each entry: of those whose path and
  // stamp are what they were when they were read.
  std::vector<std::optional<Sha256>> find(const std::vector<SourceEntry>& entries) const;

  // Replaces the memory by these entries, whose digests were found after `scanned_at` (nanoseconds since the
  // epoch, the time when their stamps were taken). A file that was changed so shortly before that a later
  // change could have the same stamp is not remembered. Never throws for the file's sake.
  void save(const std::vector<SourceEntry>& entries, const std::vector<Sha256>& digests,
            std::int64_t scanned_at);

 private:
  struct Known {
    std::string path;
    FileStamp stamp;
    Sha256 digest;
  };
  void load(std::string_view text);

  fs::path file_;
  std::vector<Known> known_;  // sorted by path
};

// Whether a change after `scanned_at` would show in the stamp's time of change, which nobody can set: the
// clock that stamps files must have moved on. Times without a fraction of a second come from file systems
// that know no better.
bool is_settled(const FileStamp& stamp, std::int64_t scanned_at);

// The digest of a single file that is no part of an app, such as a program, known from `memory` (a
// stat_cache_file) when its stamp is what it was. Throws Error(io) when it can't be read.
Sha256 known_digest(const fs::path& file, const fs::path& memory);

// Whether files there are stamped by this machine's clock; on network file systems they may not be.
bool has_local_clock(const fs::path& directory);

}  // namespace dash::builder
