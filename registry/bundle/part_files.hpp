// One long file on disk, as itself or cut into parts of equal size for media that hold less: "FILE", or
// "FILE.001", "FILE.002", … that are FILE when they are put together again (cat FILE.*).
#pragma once

#include "base/file.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

// Being written, in any order; each part as "<part>.part" until `commit`. What an earlier run wrote there is
// kept and can be read. Thread-safe for writes and reads of different places.
class PartFilesWriter {
 public:
  // `size` bytes in all; `part_size` 0: one file. Reserves the space: Error(no_space) before anything is
  // written. Error(usage) when more parts than 999 would be needed, when old parts would be left over
  // behind the new ones, and when there is a file beside which parts are to be written, or the other way
  // round; Error(unavailable) when another process writes there.
  PartFilesWriter(const fs::path& file, std::uint64_t size, std::uint64_t part_size);

  void write(std::uint64_t offset, std::string_view bytes);
  void write(std::uint64_t offset, Bytes bytes) { write(offset, as_text(bytes)); }
  std::size_t read(std::uint64_t offset, MutableBytes buffer) const;
  // Makes everything durable and gives the parts their names.
  void commit();

  std::vector<fs::path> names() const;

 private:
  struct Part {
    fs::path name;
    fs::path path;
    UniqueFd fd;
  };
  std::uint64_t part_size_;
  std::vector<Part> parts_;
};

// For reading. Thread-safe.
class PartFilesReader {
 public:
  // `file`, or its parts when there is no such file; both are Error(usage). Error(not_found), also for a part
  // that is missing between others, Error(corrupt) for parts of other sizes than the first.
  explicit PartFilesReader(const fs::path& file);

  // Fills the front of `buffer`; fewer bytes only at the end.
  std::size_t read(std::uint64_t offset, MutableBytes buffer) const;
  std::uint64_t size() const { return size_; }
  // The file that has the byte at `offset`; for one behind the end the part that would.
  fs::path name_at(std::uint64_t offset) const;
  const fs::path& file() const { return file_; }

 private:
  struct Part {
    fs::path name;
    UniqueFd fd;
    std::uint64_t size = 0;
  };
  void add(const fs::path& name);

  fs::path file_;
  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
  enum class Kind { whole, parts } kind_ = Kind::whole;
};

}  // namespace dash::registry
