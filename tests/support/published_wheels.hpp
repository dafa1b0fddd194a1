// Real wheels for tests, and how pip is to be called for them: with the host's settings, as the program does
// it.
#pragma once

#include "base/sha256.hpp"
#include "base/text.hpp"
#include "tests/support/tools.hpp"

#include <cstdlib>
#include <string>
#include <vector>

namespace dash::testing {

// What tests keep between runs.
inline fs::path scratch_directory() {
  const char* scratch = std::getenv("DASH_E2E_DIR");
  return scratch != nullptr ? scratch : "/var/tmp/dash-e2e";
}

inline std::vector<std::string> environment_of_pip() {
  std::vector<std::string> out = tool_environment();
  for (const auto* name :
       {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS", "PIP_CERT",
        "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
    if (const char* value = std::getenv(name)) out.push_back(concat(name, '=', value));
  return out;
}

// Where the wheels of tests/integration/wheels.txt are: downloaded once, by the host's pip with the host's
// settings, as the program does it.
inline fs::path published_wheels() {
  const std::string list = concat(DASH_TESTS, "/integration/wheels.txt");
  const fs::path directory =
      scratch_directory() / concat("wheels-", to_hex(sha256(read_file(list))).substr(0, 12));
  if (fs::exists(directory / "complete")) return directory;
  make_directories(directory);
  ProcessOptions pip;
  pip.argv = {"python3",       "-m",
              "pip",           "download",
              "--quiet",       "--disable-pip-version-check",
              "--no-deps",     "--only-binary=:all:",
              "--dest",        directory.string(),
              "--requirement", list};
  pip.environment = environment_of_pip();
  run_checked(std::move(pip), {});
  write_file_atomic(directory / "complete", "");
  return directory;
}

}  // namespace dash::testing
