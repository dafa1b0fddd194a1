#include "oci/archived_file.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/rooted_tree.hpp"

#include <array>

namespace dash::oci {

namespace {

// An archive of an image has some dozens of entries; this is a bound for broken or hostile ones.
constexpr std::size_t kMaxArchiveEntries = 100'000;

// The next entry, counted.
std::optional<ArchiveEntry> next_entry(ArchiveReader& reader, std::size_t& count, const fs::path& archive) {
  auto entry = reader.next();
  if (entry && ++count > kMaxArchiveEntries)
    throw Error(ErrorCode::corrupt,
                concat(archive.string(), " has more than ", kMaxArchiveEntries, " entries"));
  return entry;
}

}  // namespace

ArchivedFile::ArchivedFile(const fs::path& archive, std::string_view wanted)
    : file_(archive), reader_(file_, ArchiveReader::Format::tar, archive.string()) {
  std::size_t count = 0;
  while (const auto entry = next_entry(reader_, count, archive)) {
    if (entry->type != EntryType::file || normalize_entry_path(entry->path) != wanted) continue;
    found_ = true;
    return;
  }
}

std::map<std::string, ArchivedEntry> list_archive(const fs::path& archive) {
  FileSource file(archive);
  ArchiveReader reader(file, ArchiveReader::Format::tar, archive.string());
  std::map<std::string, ArchivedEntry> out;
  std::size_t count = 0;
  while (const auto entry = next_entry(reader, count, archive)) {
    ArchivedEntry listed{entry->type, entry->size, entry->link_target, {}};
    if (entry->type == EntryType::file) {
      std::array<std::byte, 8> head{};
      listed.head = as_text(Bytes(head).first(reader.read(head)));
    }
    out.emplace(normalize_entry_path(entry->path), std::move(listed));
  }
  return out;
}

}  // namespace dash::oci
