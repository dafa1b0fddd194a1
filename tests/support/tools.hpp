// Running foreign programs in tests, as independent judges of what this project writes.
#pragma once

#include "base/file.hpp"
#include "base/process.hpp"

#include <string>
#include <utility>
#include <vector>

namespace dash::testing {

// Standard output of a program that must exist and succeed; in the C locale of UTF-8.
inline std::string run_tool(std::vector<std::string> argv, std::string input = {}) {
  ProcessOptions options;
  options.argv = std::move(argv);
  options.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "LC_ALL=C.UTF-8", "TZ=UTC"};
  options.input = std::move(input);
  return run_checked(std::move(options), {});
}

// Where tests make their files: a disk, since not every tmpfs has extended attributes.
inline TempDirectory make_temp_directory() {
  return TempDirectory("/var/tmp");
}

}  // namespace dash::testing
