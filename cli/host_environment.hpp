// The process environment, read once: the only place that looks at variables, the user and the machine.
#pragma once

#include "base/path.hpp"
#include "builder/host.hpp"
#include "cli/options.hpp"

#include <map>
#include <string>

namespace dash::cli {

// The environment by name.
std::map<std::string, std::string> environment_variables();

// Everything a build takes from this machine. Throws Error(usage) for a SOURCE_DATE_EPOCH that is no number,
// and for certificates that are named and cannot be read.
builder::HostSettings read_host_settings(const CommonOptions& common);

// The store's directory: `chosen` when not empty, else /var/lib/dash-build for root,
// $XDG_DATA_HOME/dash-build or ~/.local/share/dash-build for others.
fs::path store_home(const fs::path& chosen, const std::map<std::string, std::string>& variables);

}  // namespace dash::cli
