// The command lines of `mirror export`, `import`, `inventory` and `verify`, as values.
#pragma once

#include "cli/options.hpp"
#include "cli/setting_options.hpp"

#include <functional>

namespace dash::cli {

// Adds them to the group `mirror`; `chosen` gets the command that was on the command line.
void add_bundle_commands(CLI::App& group, SettingOptions& settings,
                         const std::function<void(Command)>& chosen);

}  // namespace dash::cli
