// What the machine's and the app's package index settings mean for uv: PIP_* and UV_* variables, pip.conf and
// the options in requirements files, with pip's rules for which of them wins.
#pragma once

#include "builder/app/requirements.hpp"
#include "builder/host.hpp"
#include "builder/sandbox.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::builder {

struct UvSettings {
  // Complete except for what UvCommand sets; credentials included.
  std::map<std::string, std::string> environment;
  std::vector<std::string> options;            // lines for a requirements file: "--no-binary lxml"
  std::vector<std::string> arguments;          // of every uv command
  std::vector<std::string> compile_arguments;  // of "uv pip compile" only
  std::vector<SandboxMount> mounts;            // directories that the settings name
  std::vector<std::string> trusted_hosts;      // whose certificates are not checked: "host" or "host:port"
  std::vector<RequirementLine> constraints;
  std::string hashes_place;           // the setting that makes hashes obligatory; empty: none does
  std::vector<std::string> warnings;  // settings that have no effect, without their values
};

// `app_directory` is what is seen as /app. A constraints file that is missing or includes others is
// Error(invalid_input) or Error(unsupported).
UvSettings uv_settings(const HostSettings& host, const RequirementsFiles& requirements,
                       const fs::path& app_directory);

}  // namespace dash::builder
