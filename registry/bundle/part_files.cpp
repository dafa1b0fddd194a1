#include "registry/bundle/part_files.hpp"

#include "base/error.hpp"
#include "base/locked_file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::registry {

namespace {

constexpr std::uint64_t kMaxParts = 999;

fs::path part_name(const fs::path& file, std::size_t number) {
  auto digits = std::to_string(number);
  digits.insert(0, 3 - std::min<std::size_t>(3, digits.size()), '0');
  return file.string() + '.' + digits;
}

void reserve(const UniqueFd& fd, std::uint64_t size, const fs::path& path) {
  const auto length = static_cast<off_t>(size);
  if (size != 0 && ::fallocate(fd.get(), 0, 0, length) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    throw system_error(concat("cannot reserve ", human_size(size), " for ", path.string()), errno);
  if (::ftruncate(fd.get(), length) != 0) throw system_error(concat("cannot size ", path.string()), errno);
}

std::size_t read_part(int fd, MutableBytes buffer, std::uint64_t offset, const fs::path& name) {
  for (;;) {
    const auto count = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw system_error(concat("cannot read ", name.string()), errno);
  }
}

}  // namespace

PartFilesWriter::PartFilesWriter(const fs::path& file, std::uint64_t size, std::uint64_t part_size)
    : part_size_(part_size == 0 ? size : part_size) {
  const auto count = part_size_ == 0 ? 1 : std::max<std::uint64_t>(1, (size + part_size_ - 1) / part_size_);
  if (count > kMaxParts)
    throw Error(ErrorCode::usage, concat(human_size(size), " would be ", count, " parts of ",
                                         human_size(part_size), ", but ", kMaxParts, " are the most"))
        .with_hint("use larger parts");
  // What reads them finds one or the other.
  if (const auto other = part_size == 0 ? part_name(file, 1) : file; fs::exists(other))
    throw Error(ErrorCode::usage,
                concat(other.string(), " is of an older ",
                       part_size == 0 ? "file in parts" : "file in one piece", " of this name"))
        .with_hint("remove the old one, or choose another name");
  if (part_size != 0 && fs::exists(part_name(file, count + 1)))
    throw Error(ErrorCode::usage, concat(part_name(file, count + 1).string(),
                                         " is a part of an older file, which has more parts than this one"))
        .with_hint("remove the old parts, or choose another name");
  for (std::uint64_t i = 0; i < count; ++i) {
    Part part;
    part.name = part_size == 0 ? file : part_name(file, i + 1);
    part.path = part.name.string() + ".part";
    part.fd = try_open_locked(part.path, FileLock::Kind::exclusive);
    if (!part.fd)
      throw Error(ErrorCode::unavailable, concat("another process writes ", part.path.string()))
          .with_hint("wait for it, or choose another name");
    reserve(part.fd, std::min(part_size_, size - i * part_size_), part.path);
    parts_.push_back(std::move(part));
  }
}

void PartFilesWriter::write(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto& part = parts_.at(static_cast<std::size_t>(offset / part_size_));
    const auto inside = offset % part_size_;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), part_size_ - inside));
    const auto written = ::pwrite(part.fd.get(), bytes.data(), count, static_cast<off_t>(inside));
    if (written < 0) {
      if (errno == EINTR) continue;
      throw system_error(concat("cannot write ", part.path.string()), errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

std::size_t PartFilesWriter::read(std::uint64_t offset, MutableBytes buffer) const {
  const auto& part = parts_.at(static_cast<std::size_t>(offset / part_size_));
  const auto inside = offset % part_size_;
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), part_size_ - inside));
  return read_part(part.fd.get(), buffer.first(count), inside, part.path);
}

void PartFilesWriter::commit() {
  for (const auto& part : parts_)
    if (::fsync(part.fd.get()) != 0) throw system_error(concat("cannot write ", part.path.string()), errno);
  for (const auto& part : parts_)
    if (::rename(part.path.c_str(), part.name.c_str()) != 0)
      throw system_error(concat("cannot rename ", part.path.string()), errno);
  const auto& name = parts_.front().name;
  sync_directory(name.has_parent_path() ? name.parent_path() : fs::path("."));
}

std::vector<fs::path> PartFilesWriter::names() const {
  std::vector<fs::path> out;
  for (const auto& part : parts_) out.push_back(part.name);
  return out;
}

PartFilesReader::PartFilesReader(const fs::path& file) : file_(file) {
  if (fs::exists(file)) {
    if (fs::exists(part_name(file, 1)))
      throw Error(ErrorCode::usage,
                  concat("there are both ", file.string(), " and its part ", part_name(file, 1).string()))
          .with_hint("remove the one that is old");
    add(file);
    return;
  }
  kind_ = Kind::parts;
  for (std::size_t i = 1; fs::exists(part_name(file, i)); ++i) {
    add(part_name(file, i));
    const auto& last = parts_.back();
    if (i > 1 && parts_[i - 2].size != parts_.front().size)
      throw Error(ErrorCode::corrupt, concat(parts_[i - 2].name.string(), " has ", parts_[i - 2].size,
                                             " bytes, the first part has ", parts_.front().size))
          .with_hint("copy that part again");
    if (last.size > parts_.front().size || last.size == 0)
      throw Error(ErrorCode::corrupt, concat(last.name.string(), " has ", last.size,
                                             " bytes, the first part has ", parts_.front().size))
          .with_hint("copy that part again");
  }
  const auto missing = part_name(file, parts_.size() + 1);
  for (std::size_t i = parts_.size() + 2; i <= parts_.size() + 20; ++i)
    if (fs::exists(part_name(file, i)))
      throw Error(ErrorCode::not_found, concat("part ", missing.string(), " is missing"))
          .with_hint("put all parts into one directory");
  if (parts_.empty())
    throw Error(ErrorCode::not_found,
                concat("there is neither ", file.string(), " nor its first part ", missing.string()))
        .with_hint("name the file without the number of a part");
}

void PartFilesReader::add(const fs::path& name) {
  Part part{name, open_file(name, O_RDONLY), 0};
  struct stat status {};
  if (::fstat(part.fd.get(), &status) != 0) throw system_error(concat("cannot read ", name.string()), errno);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorCode::usage, concat(name.string(), " is no regular file"))
        .with_hint("'-' reads a stream from standard input");
  part.size = static_cast<std::uint64_t>(status.st_size);
  size_ += part.size;
  parts_.push_back(std::move(part));
}

std::size_t PartFilesReader::read(std::uint64_t offset, MutableBytes buffer) const {
  std::size_t done = 0;
  const auto part_size = parts_.front().size;
  while (done < buffer.size() && offset < size_) {
    const auto& part = parts_[static_cast<std::size_t>(offset / part_size)];
    const auto inside = offset % part_size;
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size() - done, part.size - inside));
    const auto count = read_part(part.fd.get(), buffer.subspan(done, wanted), inside, part.name);
    if (count == 0)
      throw Error(ErrorCode::corrupt, concat(part.name.string(), " became shorter while it was read"));
    done += count;
    offset += count;
  }
  return done;
}

fs::path PartFilesReader::name_at(std::uint64_t offset) const {
  if (kind_ == Kind::whole) return file_;
  return part_name(file_, static_cast<std::size_t>(offset / parts_.front().size) + 1);
}

}  // namespace dash::registry
