// Reading foreign archives entry by entry: tar (plain, gzip, zstd, xz, bzip2), zip and ar, over libarchive.
//
// Names come out as the bytes in the archive, whatever the process locale is (pax records are UTF-8).
// Nothing is checked for safety here; see oci/extract.hpp for that.
#pragma once

#include "base/stream.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace dash {

enum class EntryType { file, directory, symlink, hardlink, char_device, block_device, fifo };

struct ArchiveEntry {
  std::string path;
  EntryType type = EntryType::file;
  unsigned mode = 0;  // permission bits with set-id and sticky, no file type
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t size = 0;   // content bytes of a file
  std::int64_t mtime = 0;   // seconds since the epoch
  std::string link_target;  // symlink: as written; hardlink: the path of an earlier entry
  unsigned device_major = 0;
  unsigned device_minor = 0;
  std::map<std::string, std::string> xattrs;
};

// Reads one archive front to back. Damaged or truncated input throws Error(corrupt) that names the archive.
class ArchiveReader {
 public:
  enum class Format { tar, zip, ar };

  // `source` must outlive the reader. `name` is for messages.
  ArchiveReader(Source& source, Format format, std::string name);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  // The next entry, or nothing at the end. Content of the previous entry that was not read is skipped.
  std::optional<ArchiveEntry> next();

  // Content of the current entry; 0 at its end. Holes of sparse files read as zeros.
  std::size_t read(MutableBytes buffer);

  // The current entry's content as a Source, valid until `next`.
  Source& content();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dash
