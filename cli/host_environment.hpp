// The process environment, read once: the only place that looks at variables, the user and the machine.
#pragma once

#include "base/path.hpp"
#include "builder/host.hpp"

#include <string>

namespace dash::cli {

// Everything a build takes from this machine. Throws Error(usage) for a SOURCE_DATE_EPOCH that is no number.
builder::HostSettings read_host_settings();

// The store's directory: `chosen` when not empty, else $DASH_BUILD_HOME, /var/lib/dash-build for root,
// $XDG_DATA_HOME/dash-build or ~/.local/share/dash-build for others.
fs::path store_home(const fs::path& chosen, const builder::HostSettings& host);

}  // namespace dash::cli
