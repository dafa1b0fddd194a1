// Running real tools in tests, and temporary directories for them.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace dash::test {

inline const std::vector<std::string>& tool_environment() {
  static const std::vector<std::string> kEnvironment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"};
  return kEnvironment;
}

// Standard output of a program that must succeed; the failure has what it said.
inline std::string run(std::vector<std::string> argv, std::string input = {}) {
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
inline std::string shell(const std::string& script) {
  return run({"bash", "-euo", "pipefail", "-c", script});
}

}  // namespace dash::test
