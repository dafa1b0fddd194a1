#include "base/archive.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <clocale>
#include <exception>

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace dash {

namespace {

// libarchive converts names through the thread's locale; this pins it to UTF-8 without touching the process.
// One locale serves all threads, for as long as the process lives.
locale_t utf8_locale() {
  static const locale_t kLocale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return kLocale;
}

class Utf8Scope {
 public:
  Utf8Scope() : before_(utf8_locale() == nullptr ? nullptr : ::uselocale(utf8_locale())) {}
  ~Utf8Scope() {
    if (before_ != nullptr) ::uselocale(before_);
  }
  Utf8Scope(const Utf8Scope&) = delete;
  Utf8Scope& operator=(const Utf8Scope&) = delete;

 private:
  locale_t before_;
};

EntryType entry_type(archive_entry* entry, const std::string& name, const std::string& path) {
  switch (archive_entry_filetype(entry)) {
    case 0:  // ar archives of binutils leave the type out
    case AE_IFREG:
      return EntryType::file;
    case AE_IFDIR:
      return EntryType::directory;
    case AE_IFLNK:
      return EntryType::symlink;
    case AE_IFCHR:
      return EntryType::char_device;
    case AE_IFBLK:
      return EntryType::block_device;
    case AE_IFIFO:
      return EntryType::fifo;
    default:
      break;
  }
  throw Error(ErrorCode::corrupt,
              concat(name, ": entry ", quoted(path), " is of a type that archives must not hold"));
}

}  // namespace

struct ArchiveReader::State {
  Source& source;
  std::string name;
  archive* handle = archive_read_new();
  std::vector<std::byte> buffer = std::vector<std::byte>(kStreamBlock);
  std::exception_ptr failure;  // thrown by `source` below a C frame

  // Rest of the current data block, and where the reader stands in the entry (for holes).
  Bytes block;
  std::uint64_t block_offset = 0;
  std::uint64_t position = 0;
  std::uint64_t entry_size = 0;
  bool at_end = true;

  class Content : public Source {
   public:
    explicit Content(ArchiveReader& reader) : reader_(reader) {}
    std::size_t read(MutableBytes out) override { return reader_.read(out); }

   private:
    ArchiveReader& reader_;
  };
  std::unique_ptr<Content> content;

  State(Source& from, std::string shown) : source(from), name(std::move(shown)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { archive_read_free(handle); }

  static la_ssize_t read_callback(archive* handle, void* data, const void** out) noexcept {
    auto& self = *static_cast<State*>(data);
    try {
      const auto count = self.source.read(self.buffer);
      *out = self.buffer.data();
      return static_cast<la_ssize_t>(count);
    } catch (...) {
      self.failure = std::current_exception();
      archive_set_error(handle, EIO, "read failed");
      return ARCHIVE_FATAL;
    }
  }

  static la_int64_t skip_callback(archive* handle, void* data, la_int64_t count) noexcept {
    auto& self = *static_cast<State*>(data);
    try {
      return static_cast<la_int64_t>(self.source.skip(static_cast<std::uint64_t>(count)));
    } catch (...) {
      self.failure = std::current_exception();
      archive_set_error(handle, EIO, "skip failed");
      return ARCHIVE_FATAL;
    }
  }

  void check(int status) {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    if (status == ARCHIVE_OK || status == ARCHIVE_EOF || status == ARCHIVE_WARN) return;
    const char* text = archive_error_string(handle);
    throw Error(ErrorCode::corrupt,
                concat(name, " is damaged: ", text == nullptr ? "unreadable archive" : text));
  }
};

ArchiveReader::ArchiveReader(Source& source, Format format, std::string name)
    : state_(std::make_unique<State>(source, std::move(name))) {
  auto& state = *state_;
  state.content = std::make_unique<State::Content>(*this);
  const Utf8Scope scope;
  switch (format) {
    case Format::tar:
      archive_read_support_format_tar(state.handle);
      archive_read_support_filter_gzip(state.handle);
      archive_read_support_filter_zstd(state.handle);
      archive_read_support_filter_xz(state.handle);
      archive_read_support_filter_bzip2(state.handle);
      // An empty stream and one of only zero blocks are both an archive without entries.
      archive_read_support_format_empty(state.handle);
      break;
    case Format::zip:
      archive_read_support_format_zip_streamable(state.handle);
      break;
    case Format::ar:
      archive_read_support_format_ar(state.handle);
      break;
  }
  state.check(
      archive_read_open2(state.handle, &state, nullptr, State::read_callback, State::skip_callback, nullptr));
}

ArchiveReader::~ArchiveReader() = default;

std::optional<ArchiveEntry> ArchiveReader::next() {
  auto& state = *state_;
  const Utf8Scope scope;
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(state.handle, &entry);
  state.check(status);
  state.block = {};
  state.position = state.block_offset = 0;
  state.at_end = status == ARCHIVE_EOF;
  if (status == ARCHIVE_EOF) return std::nullopt;

  ArchiveEntry out;
  const char* path = archive_entry_pathname(entry);
  if (path == nullptr) path = archive_entry_pathname_utf8(entry);
  if (path == nullptr)
    throw Error(ErrorCode::corrupt, concat(state.name, " has an entry whose name cannot be read"));
  out.path = path;
  if (const char* target = archive_entry_hardlink(entry)) {
    out.type = EntryType::hardlink;
    out.link_target = target;
  } else {
    out.type = entry_type(entry, state.name, out.path);
    if (const char* link = archive_entry_symlink(entry)) out.link_target = link;
  }
  out.mode = archive_entry_perm(entry) & 07777U;
  out.uid = static_cast<std::uint64_t>(archive_entry_uid(entry));
  out.gid = static_cast<std::uint64_t>(archive_entry_gid(entry));
  out.size = out.type == EntryType::file ? static_cast<std::uint64_t>(archive_entry_size(entry)) : 0;
  out.mtime = archive_entry_mtime(entry);
  out.device_major = static_cast<unsigned>(archive_entry_rdevmajor(entry));
  out.device_minor = static_cast<unsigned>(archive_entry_rdevminor(entry));
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
    out.xattrs[name] = std::string(static_cast<const char*>(value), size);
  state.entry_size = archive_entry_size_is_set(entry) != 0 ? out.size : 0;
  return out;
}

std::size_t ArchiveReader::read(MutableBytes buffer) {
  auto& state = *state_;
  const Utf8Scope scope;
  while (!state.at_end || !state.block.empty()) {
    if (!state.block.empty() && state.position < state.block_offset) {  // a hole before the block
      const auto count = std::min<std::uint64_t>(buffer.size(), state.block_offset - state.position);
      std::fill_n(buffer.begin(), count, std::byte{0});
      state.position += count;
      return count;
    }
    if (!state.block.empty()) {
      const auto count = std::min(buffer.size(), state.block.size());
      std::copy_n(state.block.begin(), count, buffer.begin());
      state.block = state.block.subspan(count);
      state.position += count;
      state.block_offset += count;
      return count;
    }
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(state.handle, &data, &size, &offset);
    state.check(status);
    if (status == ARCHIVE_EOF) {
      state.at_end = true;
      break;
    }
    state.block = Bytes(static_cast<const std::byte*>(data), size);
    state.block_offset = static_cast<std::uint64_t>(offset);
  }
  if (state.position < state.entry_size) {  // a hole at the end
    const auto count = std::min<std::uint64_t>(buffer.size(), state.entry_size - state.position);
    std::fill_n(buffer.begin(), count, std::byte{0});
    state.position += count;
    return count;
  }
  return 0;
}

Source& ArchiveReader::content() {
  return *state_->content;
}

}  // namespace dash
