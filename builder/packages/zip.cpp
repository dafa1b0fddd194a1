#include "builder/packages/zip.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <libdeflate.h>
#include <sys/stat.h>

namespace dash::builder {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kEnd64LocatorSignature = 0x07064b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kEnd64LocatorSize = 20;
constexpr std::size_t kCentralSize = 46;
constexpr std::size_t kLocalSize = 30;
// General purpose bits: encrypted, strong encryption, masked headers.
constexpr unsigned kFlagsEncrypted = (1U << 0U) | (1U << 6U) | (1U << 13U);
constexpr std::uint32_t kSee64 = 0xffffffff;  // "the value is in the zip64 field"
constexpr std::uint16_t kZip64Extra = 1;
// DEFLATE cannot do better: 258 bytes from two bits.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

// Little-endian number of `size` bytes at `offset`; the caller has checked that it is there.
std::uint64_t number(Bytes bytes, std::size_t offset, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t i = size; i-- > 0;) out = (out << 8U) | std::to_integer<std::uint64_t>(bytes[offset + i]);
  return out;
}
std::uint16_t u16(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(number(bytes, offset, 2));
}
std::uint32_t u32(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint32_t>(number(bytes, offset, 4));
}
std::uint64_t u64(Bytes bytes, std::size_t offset) {
  return number(bytes, offset, 8);
}

// Why a path must not be used; empty when it may.
std::string_view path_fault(std::string_view path) {
  if (path.empty()) return "an empty name";
  if (path.front() == '/') return "an absolute name";
  if (path.find('\0') != std::string_view::npos) return "a name with a zero byte";
  if (!is_utf8(path)) return "a name that is not UTF-8";
  if (path.back() == '/') path.remove_suffix(1);
  for (std::string_view part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return "an unsafe name";
  return {};
}

// The 64-bit values are there for those 32-bit ones that are at their maximum, in this order.
void apply_zip64(Bytes extra, ZipEntry& entry) {
  for (std::size_t at = 0; extra.size() - at >= 4;) {
    const std::size_t size = u16(extra, at + 2);
    if (extra.size() - at - 4 < size) return;  // other tools ignore a damaged tail too
    if (u16(extra, at) == kZip64Extra) {
      Bytes field = extra.subspan(at + 4, size);
      for (std::uint64_t* value : {&entry.size, &entry.compressed_size, &entry.header_offset})
        if (*value == kSee64 && field.size() >= 8) {
          *value = u64(field, 0);
          field = field.subspan(8);
        }
    }
    at += 4 + size;
  }
}

}  // namespace

bool ZipEntry::is_executable() const {
  return S_ISREG(mode) && (mode & 0111U) != 0;
}

ZipReader::ZipReader(const fs::path& path, std::uint64_t largest_entry)
    : path_(path), name_(path.filename().string()), map_(path) {
  if (map_.bytes().size() < kEndSize) fail("it is too short for a zip archive");
  read_directory(largest_entry);
}

void ZipReader::fail(const std::string& what) const {
  throw Error(ErrorCode::corrupt, concat(name_, " is not a usable zip archive: ", what))
      .with_hint("Remove the file, so that it is downloaded or built again.");
}

void ZipReader::read_directory(std::uint64_t largest_entry) {
  const Directory directory = find_directory();
  const Bytes records = map_.bytes().subspan(directory.offset, directory.size);
  std::uint64_t total = 0;
  std::size_t at = 0;
  entries_.reserve(directory.entries);
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    at += read_entry(records.subspan(at));
    const ZipEntry& entry = entries_.back();
    if (entry.size > largest_entry || (total += entry.size) > kMaxZipTotalSize)
      fail(concat("entry ", entry.path, " makes it larger than allowed"));
  }
  if (at != records.size()) fail("the central directory is damaged");
  check_places(directory.offset);
  index_.reserve(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::string_view path = entries_[i].path;
    if (path.ends_with('/')) path.remove_suffix(1);
    if (!index_.emplace(path, i).second) fail(concat("entry ", path, " is there twice"));
  }
}

ZipReader::Directory ZipReader::find_directory() const {
  const Bytes file = map_.bytes();
  // The end record is followed by a comment of up to 64 KiB that must reach exactly to the end of the file.
  std::optional<std::size_t> end;
  const std::size_t highest = file.size() - kEndSize;
  for (std::size_t back = 0; back <= std::min<std::size_t>(highest, 0xffff) && !end; ++back)
    if (u32(file, highest - back) == kEndSignature && u16(file, highest - back + 20) == back)
      end = highest - back;
  if (!end) fail("the end record is missing (the file may be cut off)");
  if (u16(file, *end + 4) != 0 || u16(file, *end + 6) != 0) fail("it has several parts");

  Directory directory{u16(file, *end + 10), u32(file, *end + 12), u32(file, *end + 16)};
  std::uint64_t directory_end = *end;
  const bool has_locator =
      *end >= kEnd64LocatorSize && u32(file, *end - kEnd64LocatorSize) == kEnd64LocatorSignature;
  if (directory.entries == 0xffff || directory.size == kSee64 || directory.offset == kSee64 || has_locator) {
    if (!has_locator) fail("the zip64 locator is missing");
    const std::uint64_t locator = *end - kEnd64LocatorSize;
    directory_end = u64(file, locator + 8);
    if (directory_end > locator || locator - directory_end < kEnd64Size ||
        u32(file, directory_end) != kEnd64Signature)
      fail("the zip64 end record is damaged");
    directory = {u64(file, directory_end + 32), u64(file, directory_end + 40), u64(file, directory_end + 48)};
  }
  if (directory.entries > kMaxZipEntries) fail(concat("it has more than ", kMaxZipEntries, " entries"));
  if (directory.offset > directory_end || directory.size != directory_end - directory.offset)
    fail("the central directory is damaged");
  return directory;
}

std::size_t ZipReader::read_entry(Bytes record) {
  if (record.size() < kCentralSize || u32(record, 0) != kCentralSignature)
    fail("the central directory is damaged");
  const std::size_t name_size = u16(record, 28);
  const std::size_t extra_size = u16(record, 30);
  const std::size_t whole = kCentralSize + name_size + extra_size + u16(record, 32);
  if (record.size() < whole) fail("the central directory is damaged");
  ZipEntry entry;
  entry.path = as_text(record.subspan(kCentralSize, name_size));
  if (const std::string_view fault = path_fault(entry.path); !fault.empty())
    fail(concat("it has an entry with ", fault, ": ", quoted(entry.path)));
  if ((u16(record, 8) & kFlagsEncrypted) != 0) fail(concat("entry ", entry.path, " is encrypted"));
  const unsigned method = u16(record, 10);
  if (method != 0 && method != 8)
    fail(concat("entry ", entry.path, " uses compression method ", method,
                "; only stored and deflated entries can be read"));
  entry.method = static_cast<ZipEntry::Method>(method);
  entry.crc = u32(record, 16);
  entry.compressed_size = u32(record, 20);
  entry.size = u32(record, 24);
  entry.mode = u32(record, 38) >> 16U;
  entry.header_offset = u32(record, 42);
  apply_zip64(record.subspan(kCentralSize + name_size, extra_size), entry);
  const bool plausible = entry.method == ZipEntry::Method::stored
                             ? entry.size == entry.compressed_size
                             : entry.size / kMaxDeflateRatio <= entry.compressed_size;
  if (!plausible) fail(concat("the sizes of ", entry.path, " cannot be true"));
  entries_.push_back(std::move(entry));
  return whole;
}

// Data that several entries share is how small archives become huge; nothing may lie outside of the file
// either.
void ZipReader::check_places(std::uint64_t data_end) const {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries_) order.push_back(&entry);
  std::ranges::sort(order, {}, &ZipEntry::header_offset);
  std::uint64_t used = 0;
  for (const ZipEntry* entry : order) {
    if (entry->header_offset < used || entry->header_offset > data_end ||
        data_end - entry->header_offset < kLocalSize)
      fail(concat("entry ", entry->path, " lies in another one or outside"));
    const std::uint64_t start = data_offset(*entry);
    if (start > data_end || data_end - start < entry->compressed_size)
      fail(concat("entry ", entry->path, " is cut off"));
    used = start + entry->compressed_size;
  }
}

const ZipEntry* ZipReader::find(std::string_view path) const {
  const auto found = index_.find(path);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::uint64_t ZipReader::data_offset(const ZipEntry& entry) const {
  const Bytes file = map_.bytes();
  if (u32(file, entry.header_offset) != kLocalSignature)
    fail(concat("the header of ", entry.path, " is damaged"));
  return entry.header_offset + kLocalSize + u16(file, entry.header_offset + 26) +
         u16(file, entry.header_offset + 28);
}

Bytes ZipReader::data(const ZipEntry& entry) const {
  return map_.bytes().subspan(data_offset(entry), entry.compressed_size);
}

Bytes ZipReader::stored(const ZipEntry& entry) const {
  const Bytes out = data(entry);
  if (entry.method != ZipEntry::Method::stored) fail(concat("entry ", entry.path, " is compressed"));
  if (libdeflate_crc32(0, out.data(), out.size()) != entry.crc)
    fail(concat("the checksum of ", entry.path, " is wrong"));
  return out;
}

std::string ZipReader::read(const ZipEntry& entry) const {
  const Bytes packed = data(entry);
  std::string out(entry.size, '\0');
  if (entry.method == ZipEntry::Method::stored) {
    std::memcpy(out.data(), packed.data(), packed.size());
  } else {
    const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater(
        libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
    if (!inflater) throw std::bad_alloc();
    std::size_t consumed = 0;
    const libdeflate_result result = libdeflate_deflate_decompress_ex(
        inflater.get(), packed.data(), packed.size(), out.data(), out.size(), &consumed, nullptr);
    if (result != LIBDEFLATE_SUCCESS || consumed != packed.size())
      fail(concat("the data of ", entry.path, " is damaged"));
  }
  if (libdeflate_crc32(0, out.data(), out.size()) != entry.crc)
    fail(concat("the checksum of ", entry.path, " is wrong"));
  return out;
}

}  // namespace dash::builder
