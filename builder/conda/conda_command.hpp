// How conda itself is run in the sandbox.
#pragma once

#include <string>
#include <vector>

namespace dash::builder {

// Where files for it are mounted.
inline constexpr const char* kCondaFilesDirectory = "/run/dash-build/conda";
// The machine's configuration, which conda reads before the prefix's own.
inline constexpr const char* kMachineCondarc = "/etc/conda/.condarc";

// Logins, read by conda's downloads.
inline constexpr const char* kMachineNetrc = "/root/.netrc";

// The environment of its commands, as "NAME=value".
std::vector<std::string> conda_environment();

}  // namespace dash::builder
