#include "base/mapped_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace dash {

MappedFile::MappedFile(const fs::path& path) : MappedFile(open_file(path, O_RDONLY).get(), path.string()) {}

MappedFile::MappedFile(int fd, std::string_view shown) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(concat("reading ", shown), errno);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // which mmap(2) refuses
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) throw system_error(concat("mapping ", shown), errno);
  bytes_ = {static_cast<const std::byte*>(map), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace dash
