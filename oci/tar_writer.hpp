// Writing layer tars: POSIX ustar with pax records only where ustar cannot say it (IEEE 1003.1 pax,
// image-spec layer.md). The same entries always give the same bytes.
//
// A pax 'x' header is written for: a path that fits neither into ustar's name (100 bytes) nor, cut at its
// last possible '/', into prefix (155) and name; a link target above 100 bytes; a size of 8 GiB or more; an
// id above 2097151; an mtime before 1970 or after 2242; extended attributes. Names are written as the bytes
// they are, in pax records too, as GNU tar does. Directories' names end with '/'.
#pragma once

#include "base/archive.hpp"
#include "base/stream.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dash::oci {

// One entry to write. Paths are relative, without "./" in front and without "/" at the end; UTF-8 is not
// required.
struct TarEntry {
  std::string path;
  EntryType type = EntryType::file;
  unsigned mode = 0644;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t size = 0;        // files only
  std::int64_t mtime = 0;        // whole seconds
  std::string link_target = {};  // symlink: as it should read; hardlink: path of an entry written before
  unsigned device_major = 0;
  unsigned device_minor = 0;
  std::map<std::string, std::string> xattrs = {};  // written as SCHILY.xattr.* pax records
};

// What stands in front of an entry's content: whole records of kTarRecord bytes, pax headers included. Throws
// as TarWriter::begin does for a wrong entry.
std::string tar_header(const TarEntry& entry);
inline constexpr std::size_t kTarRecord = 512;
// Zeros that follow content of `size` bytes.
constexpr std::size_t tar_padding(std::uint64_t size) {
  return static_cast<std::size_t>((kTarRecord - size % kTarRecord) % kTarRecord);
}
// Zeros at the end of an archive.
inline constexpr std::size_t kTarEnd = 2 * kTarRecord;

// Writes a tar to `next`, buffering in large blocks. Content of a file follows its `begin` in any number of
// `write` calls and must add up to the entry's size. Throws Error(internal) when the caller breaks that, and
// Error(unsupported) for what tar cannot hold: device numbers above 2097151, '=' in the name of an attribute.
class TarWriter : public FinishSink {
 public:
  explicit TarWriter(Sink& next);
  ~TarWriter() override;

  void begin(const TarEntry& entry);
  void write(Bytes content) override;
  // A file in one call.
  void add(const TarEntry& entry, Bytes content);
  void add(const TarEntry& entry) { add(entry, Bytes()); }
  // Room for up to `wanted` bytes of the current file's content in the writer's own buffer (at least one
  // byte); fill its front and call `commit_buffer`. Saves a copy when reading files.
  MutableBytes buffer(std::size_t wanted);
  void commit_buffer(std::size_t count);
  // Two zero blocks, and everything buffered goes to `next`. No padding to a record size.
  void finish() override;

 private:
  void put(Bytes bytes);
  void put_zeros(std::size_t count);
  void account(std::size_t count);
  void flush();

  Sink& next_;
  std::vector<std::byte> block_;
  std::size_t used_ = 0;
  std::uint64_t left_ = 0;   // content still owed for the current file
  std::size_t padding_ = 0;  // zeros after it
};

}  // namespace dash::oci
