// Any bytes as a layer, in both modes, over a tree that has links to climb out by: an Error or a tree, and
// nothing outside the root is touched.
#include "base/error.hpp"
#include "base/file.hpp"
#include "oci/extract.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using dash::oci::ExtractOptions;

// Aborts when the directory beside the roots is not as it was made.
void check_outside(const dash::fs::path& base) {
  struct stat info {};
  if (::lstat((base / "victim").c_str(), &info) != 0 || info.st_nlink != 1 ||
      (info.st_mode & 07777U) != 0640 || info.st_uid != ::getuid() ||
      dash::read_file(base / "victim") != "precious")
    std::abort();
  const auto directory = dash::open_file(base, O_RDONLY | O_DIRECTORY);
  if (dash::list_directory(directory.get(), "base").size() != 2) std::abort();
}

void extract(const std::uint8_t* data, std::size_t size, ExtractOptions::Whiteouts whiteouts) {
  const dash::TempDirectory base("/tmp");
  const auto root = base.path() / "root";
  dash::write_file_atomic(base.path() / "victim", "precious", 0640);
  dash::make_directories(root / "d/e");
  dash::write_file_atomic(root / "d/f", "lower");
  [[maybe_unused]] const int up = ::symlink("../..", (root / "d/up").c_str());
  [[maybe_unused]] const int out = ::symlink(base.path().c_str(), (root / "out").c_str());
  dash::MemorySource source(std::as_bytes(std::span(data, size)));
  ExtractOptions options;
  options.whiteouts = whiteouts;
  options.max_bytes = std::uint64_t{1} << 20U;
  options.max_entries = 1000;
  try {
    dash::oci::extract_layer(source, root, "fuzz", options);
  } catch (const dash::Error& error) {
    // What the bytes say is never a fault of this machine or of the program.
    if (error.code() == dash::ErrorCode::internal || error.code() == dash::ErrorCode::not_found) {
      ::write(2, error.what(), error.message().size());
      std::abort();
    }
  }
  check_outside(base.path());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  extract(data, size, ExtractOptions::Whiteouts::apply);
  extract(data, size, ExtractOptions::Whiteouts::overlay);
  return 0;
}
