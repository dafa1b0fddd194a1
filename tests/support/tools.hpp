// Running real programs in tests, to make fixtures and as independent judges of what this project writes.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dash::testing {

inline const std::vector<std::string>& tool_environment() {
  static const std::vector<std::string> kEnvironment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC",
      "HOME=/root"};
  return kEnvironment;
}

// Standard output of a program that must exist and succeed; the failure has what it said.
inline std::string run_tool(std::vector<std::string> argv, std::string input = {}) {
  ProcessOptions options;
  options.argv = std::move(argv);
  options.environment = tool_environment();
  options.input = std::move(input);
  try {
    return run_checked(std::move(options), {});
  } catch (const Error& error) {
    throw std::runtime_error(render(error));
  }
}

// The same with a shell, for fixtures made of several commands.
inline std::string run_script(const std::string& script) {
  return run_tool({"bash", "-euo", "pipefail", "-c", script});
}

// Where tests make their files: a disk, since not every tmpfs has extended attributes.
inline TempDirectory make_temp_directory() {
  return TempDirectory("/var/tmp");
}

}  // namespace dash::testing
