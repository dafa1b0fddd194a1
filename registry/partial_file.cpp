#include "registry/partial_file.hpp"

#include "base/error.hpp"
#include "base/locked_file.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::registry {

namespace {
constexpr std::uint64_t kWriteback = std::uint64_t{8} << 20;
}

PartialFile::PartialFile(const fs::path& destination, Resume resume) : destination_(destination) {
  hasher_.emplace();
  const fs::path shared = destination.string() + ".part";
  if (resume == Resume::yes && adopt(shared)) {
    on_exit_ = OnExit::keep;
    hash_existing();
    return;
  }
  std::string name = destination.string() + ".XXXXXX";
  fd_ = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd_) throw system_error(concat("cannot make a file beside ", destination.string()), errno);
  path_ = name;
}

PartialFile::~PartialFile() {
  if (!path_.empty() && (on_exit_ == OnExit::remove || size_ == 0)) ::unlink(path_.c_str());
}

// Locks the file; false when somebody else has it.
bool PartialFile::adopt(const fs::path& path) {
  auto fd = try_open_locked(path, FileLock::Kind::exclusive);
  if (!fd) return false;
  fd_ = std::move(fd);
  path_ = path;
  return true;
}

void PartialFile::hash_existing() {
  std::vector<std::byte> buffer(kStreamBlock);
  FdSource source(fd_.get(), path_.string());
  while (const std::size_t count = source.read(buffer)) {
    hasher_->update(Bytes(buffer).first(count));
    size_ += count;
  }
}

void PartialFile::append(Bytes bytes) {
  FdSink(fd_.get(), path_.string()).write(bytes);
  hasher_->update(bytes);
  size_ += bytes.size();
  if (size_ - handed_over_ < kWriteback) return;
  // Lets the disk work while the rest arrives, so that the fsync at the end has little left to wait for.
  ::sync_file_range(fd_.get(), static_cast<off64_t>(handed_over_), static_cast<off64_t>(size_ - handed_over_),
                    SYNC_FILE_RANGE_WRITE);
  handed_over_ = size_;
}

void PartialFile::clear() {
  if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) < 0)
    throw system_error(concat("cannot empty ", path_.string()), errno);
  hasher_.emplace();
  size_ = handed_over_ = 0;
}

void PartialFile::commit() {
  if (::fchmod(fd_.get(), 0644) != 0 || ::fsync(fd_.get()) != 0)
    throw system_error(concat("cannot write ", path_.string()), errno);
  if (::rename(path_.c_str(), destination_.c_str()) != 0)
    throw system_error(concat("cannot rename ", path_.string()), errno);
  path_.clear();
  sync_directory(destination_.parent_path());
}

void PartialFile::discard() {
  ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace dash::registry
