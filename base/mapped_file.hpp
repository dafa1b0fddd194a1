// A file as bytes in memory.
#pragma once

#include "base/path.hpp"
#include "base/stream.hpp"

#include <cstddef>
#include <string_view>

namespace dash {

// Read-only. Reading bytes that another program has cut off since kills the process: for files that nobody
// changes, as those of a store are. Thread-safe.
class MappedFile {
 public:
  MappedFile() = default;  // no bytes
  explicit MappedFile(const fs::path& path);
  // The descriptor stays the caller's and may be closed; `shown` is the path for messages.
  MappedFile(int fd, std::string_view shown);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace dash
