#include "oci/tar_writer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dash::oci {

namespace {

// Offsets and widths of ustar header fields (IEEE 1003.1 pax, "ustar Interchange Format").
struct Field {
  std::size_t offset;
  std::size_t width;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kMtime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kType{156, 1};
constexpr Field kLinkName{157, 100};
constexpr Field kMagic{257, 8};
constexpr Field kDeviceMajor{329, 8};
constexpr Field kDeviceMinor{337, 8};
constexpr Field kPrefix{345, 155};

// A number field holds octal digits and a final NUL.
constexpr std::uint64_t largest(Field field) {
  return (std::uint64_t{1} << (3 * (field.width - 1))) - 1;
}

using Header = std::array<char, kTarRecord>;

void set_text(Header& header, Field field, std::string_view text) {
  text.copy(header.data() + field.offset, std::min(text.size(), field.width));
}

void set_number(Header& header, Field field, std::uint64_t value) {
  for (auto at = field.offset + field.width - 1; at > field.offset; value >>= 3U)
    header[--at] = static_cast<char>('0' + (value & 7U));
}

void set_checksum(Header& header) {
  std::fill_n(header.begin() + kChecksum.offset, kChecksum.width, ' ');
  std::uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  // Six digits, NUL, blank: the blank is there already.
  set_number(header, {kChecksum.offset, kChecksum.width - 1}, sum);
  header[kChecksum.offset + 6] = '\0';
}

Header make_header(char type, std::uint64_t size, unsigned mode) {
  Header header{};
  set_text(header, kMagic, std::string_view("ustar\00000", 8));
  header[kType.offset] = type;
  set_number(header, kMode, mode);
  set_number(header, kSize, size);
  for (const auto field : {kUid, kGid, kMtime, kDeviceMajor, kDeviceMinor}) set_number(header, field, 0);
  return header;
}

char type_flag(EntryType type) {
  switch (type) {
    case EntryType::file:
      return '0';
    case EntryType::hardlink:
      return '1';
    case EntryType::symlink:
      return '2';
    case EntryType::char_device:
      return '3';
    case EntryType::block_device:
      return '4';
    case EntryType::directory:
      return '5';
    case EntryType::fifo:
      return '6';
  }
  throw Error(ErrorCode::internal, "a tar entry has no type");
}

// Puts the path into name and prefix; false when it does not fit. The cut is at the last '/' that the prefix
// can end before: the name is shortest there, so when that does not fit, none does.
bool set_path(Header& header, std::string_view path) {
  if (path.size() <= kName.width) {
    set_text(header, kName, path);
    return true;
  }
  const auto cut = path.rfind('/', std::min(kPrefix.width, path.size() - 2));
  if (cut == std::string_view::npos || cut == 0 || path.size() - cut - 1 > kName.width) return false;
  set_text(header, kPrefix, path.substr(0, cut));
  set_text(header, kName, path.substr(cut + 1));
  return true;
}

// "LENGTH KEYWORD=VALUE\n", where LENGTH counts itself (IEEE 1003.1 pax, "pax Extended Header").
void add_record(std::string& records, std::string_view keyword, std::string_view value) {
  const auto rest = keyword.size() + value.size() + 3;
  auto length = rest + 1;
  while (rest + std::to_string(length).size() != length) length = rest + std::to_string(length).size();
  records += concat(length, ' ', keyword, '=', value, '\n');
}

// A number that ustar's field cannot hold becomes a record, and the field stays 0.
template <class Number>
void set_number_or_record(Header& header, Field field, Number value, std::string_view keyword,
                          std::string& records) {
  if (value >= 0 && static_cast<std::uint64_t>(value) <= largest(field))
    set_number(header, field, static_cast<std::uint64_t>(value));
  else
    add_record(records, keyword, std::to_string(value));
}

void set_device_number(Header& header, Field field, unsigned value, const TarEntry& entry) {
  if (value > largest(field))
    throw Error(ErrorCode::unsupported, concat("the device number ", value, " of ", quoted(entry.path),
                                               " does not fit into a tar archive"));
  set_number(header, field, value);
}

void check(const TarEntry& entry) {
  if (entry.path.empty() || entry.path.starts_with('/') || entry.path.ends_with('/'))
    throw Error(ErrorCode::internal, concat(quoted(entry.path), " is no path for a tar entry"));
  if (entry.type != EntryType::file && entry.size != 0)
    throw Error(ErrorCode::internal,
                concat("the tar entry ", quoted(entry.path), " has a size but is no file"));
}

Header make_entry_header(const TarEntry& entry, std::string& records) {
  Header header = make_header(type_flag(entry.type), 0, entry.mode & 07777U);
  const auto path = entry.type == EntryType::directory ? entry.path + '/' : entry.path;
  if (!set_path(header, path)) {
    set_text(header, kName, path);
    add_record(records, "path", path);
  }
  set_text(header, kLinkName, entry.link_target);
  if (entry.link_target.size() > kLinkName.width) add_record(records, "linkpath", entry.link_target);
  set_number_or_record(header, kSize, entry.size, "size", records);
  set_number_or_record(header, kUid, entry.uid, "uid", records);
  set_number_or_record(header, kGid, entry.gid, "gid", records);
  set_number_or_record(header, kMtime, entry.mtime, "mtime", records);
  if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
    set_device_number(header, kDeviceMajor, entry.device_major, entry);
    set_device_number(header, kDeviceMinor, entry.device_minor, entry);
  }
  for (const auto& [name, value] : entry.xattrs) {
    if (name.find('=') != std::string::npos)
      throw Error(ErrorCode::unsupported,
                  concat("the extended attribute ", quoted(name), " of ", quoted(entry.path),
                         " has a '=' in its name, which tar archives cannot hold"));
    add_record(records, concat("SCHILY.xattr.", name), value);
  }
  set_checksum(header);
  return header;
}

// The header in front of the records of `path`. Its own name means nothing to readers that know pax.
Header make_pax_header(std::string_view path, std::size_t size) {
  static constexpr std::string_view kFolder = "PaxHeaders/";
  auto header = make_header('x', size, 0644);
  const auto name = path.substr(path.rfind('/') + 1);
  set_text(header, kName, concat(kFolder, name.substr(0, kName.width - kFolder.size())));
  set_checksum(header);
  return header;
}

std::string_view text_of(const Header& header) {
  return {header.data(), header.size()};
}

}  // namespace

std::string tar_header(const TarEntry& entry) {
  check(entry);
  std::string records;
  const auto header = make_entry_header(entry, records);
  if (records.empty()) return std::string(text_of(header));
  std::string out(text_of(make_pax_header(entry.path, records.size())));
  out += records;
  out.append(tar_padding(records.size()), '\0');
  out += text_of(header);
  return out;
}

TarWriter::TarWriter(Sink& next) : next_(next), block_(kStreamBlock) {}

TarWriter::~TarWriter() = default;

void TarWriter::begin(const TarEntry& entry) {
  if (left_ != 0)
    throw Error(ErrorCode::internal,
                concat("the tar entry before ", quoted(entry.path), " lacks ", left_, " bytes"));
  put(as_bytes(tar_header(entry)));
  left_ = entry.size;
  padding_ = tar_padding(entry.size);
}

void TarWriter::write(Bytes content) {
  if (content.size() > left_)
    throw Error(ErrorCode::internal, concat("a tar entry gets ", content.size() - left_, " bytes too many"));
  put(content);
  account(content.size());
}

void TarWriter::add(const TarEntry& entry, Bytes content) {
  begin(entry);
  write(content);
}

MutableBytes TarWriter::buffer(std::size_t wanted) {
  if (left_ == 0) throw Error(ErrorCode::internal, "no tar entry waits for content");
  wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, left_));
  // A fresh block rather than a small rest: one read for a small file, full blocks for a large one.
  if (block_.size() - used_ < wanted) flush();
  return MutableBytes(block_).subspan(used_).first(std::min(wanted, block_.size() - used_));
}

void TarWriter::commit_buffer(std::size_t count) {
  if (count > left_ || count > block_.size() - used_)
    throw Error(ErrorCode::internal, "more was put into the buffer of a tar entry than there was room");
  used_ += count;
  account(count);
}

void TarWriter::finish() {
  if (left_ != 0) throw Error(ErrorCode::internal, concat("the last tar entry lacks ", left_, " bytes"));
  put_zeros(kTarEnd);
  flush();
}

void TarWriter::account(std::size_t count) {
  left_ -= count;
  if (left_ == 0) put_zeros(std::exchange(padding_, 0));
}

void TarWriter::put(Bytes bytes) {
  if (bytes.size() >= block_.size()) {
    flush();
    next_.write(bytes);
    return;
  }
  if (bytes.size() > block_.size() - used_) flush();
  std::copy(bytes.begin(), bytes.end(), block_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ += bytes.size();
}

void TarWriter::put_zeros(std::size_t count) {
  static constexpr std::array<std::byte, kTarEnd> kZeros{};
  put(Bytes(kZeros).first(count));
}

void TarWriter::flush() {
  if (used_ == 0) return;
  next_.write(Bytes(block_).first(used_));
  used_ = 0;
}

}  // namespace dash::oci
