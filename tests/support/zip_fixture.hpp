// Zip archives made byte by byte, so that tests can make broken ones; Python's zipfile would not write them.
#pragma once

#include "base/file.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <zlib.h>

namespace dash::testing {

struct ZipFixtureEntry {
  std::string path;
  std::string content = {};
  unsigned mode = 0100644;
  unsigned flags = 0;
  unsigned method = 0;
  std::uint32_t crc_change = 0;    // xor-ed into the right checksum
  std::uint32_t size_change = 0;   // added to the right size
  std::int64_t offset_change = 0;  // added to the right offset of the local header
};

inline std::string little_endian(std::uint64_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
  return out;
}

// All entries stored (whatever `method` claims).
inline std::string zip_bytes(const std::vector<ZipFixtureEntry>& entries) {
  std::string out;
  std::string directory;
  for (const ZipFixtureEntry& entry : entries) {
    const auto crc = static_cast<std::uint32_t>(::crc32(
        0, reinterpret_cast<const Bytef*>(entry.content.data()), static_cast<uInt>(entry.content.size())));
    const std::string common =
        little_endian(20, 2) + little_endian(entry.flags, 2) + little_endian(entry.method, 2) +
        little_endian(0, 4) + little_endian(crc ^ entry.crc_change, 4) +
        little_endian(entry.content.size(), 4) + little_endian(entry.content.size() + entry.size_change, 4) +
        little_endian(entry.path.size(), 2) + little_endian(0, 2);
    directory += "PK\1\2" + little_endian(0x314, 2) + common + little_endian(0, 2) + little_endian(0, 2) +
                 little_endian(0, 2) + little_endian(std::uint64_t{entry.mode} << 16U, 4) +
                 little_endian(out.size() + static_cast<std::uint64_t>(entry.offset_change), 4) + entry.path;
    out += "PK\3\4" + common + entry.path + entry.content;
  }
  return out + directory + "PK\5\6" + little_endian(0, 4) + little_endian(entries.size(), 2) +
         little_endian(entries.size(), 2) + little_endian(directory.size(), 4) +
         little_endian(out.size(), 4) + little_endian(0, 2);
}

}  // namespace dash::testing
