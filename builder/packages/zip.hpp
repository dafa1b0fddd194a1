// Random access to zip archives (PKWARE APPNOTE 6.3), as far as packages need it, on hostile input.
#pragma once

#include "base/mapped_file.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dash::builder {

struct ZipEntry {
  std::string
      path;  // checked: relative, UTF-8, no "." or ".." or empty components; ends in '/' for a directory
  std::uint64_t size = 0;
  std::uint64_t compressed_size = 0;
  std::uint32_t crc = 0;
  enum class Method : std::uint16_t { stored = 0, deflated = 8 } method = Method::stored;
  unsigned mode = 0;  // Unix mode with file type, 0 when the archive has none
  std::uint64_t header_offset = 0;

  bool is_directory() const { return path.ends_with('/'); }
  // Where a Unix mode says "regular file" and has any execute bit (pip's rule).
  bool is_executable() const;
};

// Limits on archives: more is Error(corrupt).
inline constexpr std::uint64_t kMaxZipEntries = 1'000'000;
inline constexpr std::uint64_t kMaxZipEntrySize = std::uint64_t{2} << 30;
inline constexpr std::uint64_t kMaxZipTotalSize = std::uint64_t{64} << 30;

// An archive mapped into memory. Opening reads and checks the central directory only. Entries that are
// encrypted, use another method, have an unsafe, duplicate or non-UTF-8 name, or lie outside of the file make
// the whole archive an Error(corrupt) that names it. Thread-safe after construction. The file must not change
// meanwhile.
class ZipReader {
 public:
  // No entry may be larger than `largest_entry`.
  explicit ZipReader(const fs::path& path, std::uint64_t largest_entry = kMaxZipEntrySize);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the order of the archive
  // Index of a path, or nothing.
  const ZipEntry* find(std::string_view path) const;

  // The entry's content, inflated and checked against its CRC-32. Error(corrupt) names archive and entry.
  std::string read(const ZipEntry& entry) const;
  // The bytes of an entry that is stored, in the mapped file, checked against its CRC-32.
  Bytes stored(const ZipEntry& entry) const;
  // Where the entry's (compressed) data starts in the file.
  std::uint64_t data_offset(const ZipEntry& entry) const;
  const fs::path& path() const { return path_; }
  const std::string& name() const { return name_; }  // of the file, for messages

 private:
  Bytes data(const ZipEntry& entry) const;
  struct Directory {
    std::uint64_t entries = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
  };
  void read_directory(std::uint64_t largest_entry);
  Directory find_directory() const;
  std::size_t read_entry(Bytes record);
  void check_places(std::uint64_t data_end) const;
  [[noreturn]] void fail(const std::string& what) const;

  fs::path path_;
  std::string name_;
  MappedFile map_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace dash::builder
