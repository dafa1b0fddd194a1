// Files in a tar on disk, read in place.
#pragma once

#include "base/archive.hpp"
#include "base/file.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace dash::oci {

// One file in an archive, found by going through it from the start; content in between is skipped by
// seeking, or decompressed when the archive is compressed. Error(corrupt) for an archive with more entries
// than an image has.
class ArchivedFile : public Source {
 public:
  ArchivedFile(const fs::path& archive, std::string_view wanted);
  bool found() const { return found_; }
  std::size_t read(MutableBytes buffer) override { return reader_.read(buffer); }

 private:
  FileSource file_;
  ArchiveReader reader_;
  bool found_ = false;
};

struct ArchivedEntry {
  EntryType type = EntryType::file;
  std::uint64_t size = 0;
  std::string link_target;  // of links, as written
  std::string head;         // the first bytes of a file, by which compression is known
};

// What is in an archive, by normalised path (the first of two that are equal). The same bounds.
std::map<std::string, ArchivedEntry> list_archive(const fs::path& archive);

}  // namespace dash::oci
