#include "builder/app/stat_cache.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "oci/lease.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace dash::builder {

namespace {

constexpr std::string_view kMagic = "dash-build stat cache 1\n";
constexpr std::int64_t kSecond = 1'000'000'000;
// Linux stamps files by a clock that ticks at least 100 times a second.
constexpr std::int64_t kFineMargin = kSecond / 10;
constexpr std::int64_t kCoarseMargin = 3 * kSecond;

// Numbers in this machine's order: the file does not leave it.
template <class Number>
void put(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  std::string_view take(std::size_t count) {
    if (count > rest_.size()) throw Error(ErrorCode::corrupt, "the stat cache ends early");
    const auto out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  template <class Number>
  Number number() {
    Number out{};
    std::memcpy(&out, take(sizeof out).data(), sizeof out);
    return out;
  }

 private:
  std::string_view rest_;
};

}  // namespace

StatCache::StatCache(fs::path file) : file_(std::move(file)) {
  const auto text = read_file_if_exists(file_);
  oci::mark_used(file_);
  if (!text || text->size() < kMagic.size() + sizeof(Sha256) || !text->starts_with(kMagic)) return;
  const auto content = std::string_view(*text).substr(0, text->size() - sizeof(Sha256));
  const auto sum = sha256(content);
  if (std::memcmp(sum.data(), text->data() + content.size(), sum.size()) != 0) return;
  try {
    load(content.substr(kMagic.size()));
  } catch (const Error&) {
    known_.clear();
  }
}

void StatCache::load(std::string_view text) {
  Reader in(text);
  while (!in.at_end()) {
    Known known;
    known.path = in.take(in.number<std::uint32_t>());
    auto& stamp = known.stamp;
    stamp.device = in.number<std::uint64_t>();
    stamp.inode = in.number<std::uint64_t>();
    stamp.size = in.number<std::uint64_t>();
    stamp.modified_ns = in.number<std::int64_t>();
    stamp.changed_ns = in.number<std::int64_t>();
    std::memcpy(known.digest.data(), in.take(known.digest.size()).data(), known.digest.size());
    known_.push_back(std::move(known));
  }
}

std::vector<std::optional<Sha256>> StatCache::find(const std::vector<SourceEntry>& entries) const {
  std::vector<std::optional<Sha256>> out(entries.size());
  auto known = known_.begin();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    while (known != known_.end() && known->path < entries[i].path) ++known;
    if (known == known_.end()) break;
    if (known->path == entries[i].path && known->stamp == entries[i].stamp) out[i] = known->digest;
  }
  return out;
}

void StatCache::save(const std::vector<SourceEntry>& entries, const std::vector<Sha256>& digests,
                     std::int64_t scanned_at) {
  std::string out(kMagic);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [path, type, executable, link_target, stamp] = entries[i];
    if (type != EntryType::file || !is_settled(stamp, scanned_at)) continue;
    put(out, static_cast<std::uint32_t>(path.size()));
    out += path;
    put(out, stamp.device);
    put(out, stamp.inode);
    put(out, stamp.size);
    put(out, stamp.modified_ns);
    put(out, stamp.changed_ns);
    out.append(reinterpret_cast<const char*>(digests[i].data()), digests[i].size());
  }
  const auto sum = sha256(out);
  out.append(reinterpret_cast<const char*>(sum.data()), sum.size());
  try {
    make_directories(file_.parent_path());
    write_file(file_, out);
  } catch (const Error&) {  // a full disk, or a store that is only read: the next build reads again
  }
}

bool is_settled(const FileStamp& stamp, std::int64_t scanned_at) {
  const bool coarse = stamp.changed_ns % kSecond == 0;
  return stamp.changed_ns < scanned_at - (coarse ? kCoarseMargin : kFineMargin);
}

fs::path stat_cache_file(const fs::path& records, const fs::path& of) {
  return records / kTreeRecords / to_hex(sha256(of.string()));
}

Sha256 known_digest(const fs::path& file, const fs::path& memory) {
  const auto scanned_at = now_ns();
  const UniqueFd fd = open_file(file, O_RDONLY);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw system_error(concat("cannot read ", file.string()), errno);
  SourceEntry entry;
  entry.path = file.filename().string();
  entry.stamp = stamp_of(info);
  const bool may_know = S_ISREG(info.st_mode) && has_local_clock(file);
  StatCache cache(memory);
  if (may_know)
    if (const auto digest = cache.find({entry}).front()) return *digest;
  FdSource source(fd.get(), file.string());
  const auto digest = sha256(source);
  if (may_know) cache.save({entry}, {digest}, scanned_at);
  return digest;
}

bool has_local_clock(const fs::path& directory) {
  struct statfs info {};
  if (::statfs(directory.c_str(), &info) != 0) return false;
  switch (static_cast<unsigned long>(info.f_type)) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
      return true;
    default:
      return false;
  }
}

}  // namespace dash::builder
