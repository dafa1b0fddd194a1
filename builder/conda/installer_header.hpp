// The header of a conda installer (Miniconda and the like, made by conda's constructor): a shell script that
// says where in the same file its payload is.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dash::builder {

// Headers are 14 to 40 KiB long; a file without an end of one in this much has none.
inline constexpr std::size_t kMaxInstallerHeader = std::size_t{1} << 20;

struct InstallerHeader {
  std::string name;      // "Miniconda3"
  std::string version;   // "4.5.12", "py311_24.1.2-0"
  std::string platform;  // "linux-64"
  std::string md5;       // of everything from `payload` on to `tar_end`; hex
  std::uint64_t payload = 0;
  // The tar with the packages. Constructor 2 has nothing else in its payload; since version 3 programs of
  // conda's own stand in front of it.
  std::uint64_t tar = 0;
  std::uint64_t tar_end = 0;
};

// What is said of an installer that does not hold what it should.
Error damaged_installer(std::string_view shown, std::string_view what);

// Reads the header from the first bytes of a file of `size` bytes. Nothing when there is none: another kind
// of installer. Error(corrupt) when its numbers do not fit the file (cut short, or changed as text),
// Error(unsupported) for another platform; `shown` names the file.
std::optional<InstallerHeader> read_installer_header(std::string_view start, std::uint64_t size,
                                                     std::string_view shown);

}  // namespace dash::builder
