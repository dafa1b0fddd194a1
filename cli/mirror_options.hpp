// The command lines of `mirror …`, as values.
#pragma once

#include "cli/options.hpp"
#include "cli/setting_options.hpp"

#include <functional>

namespace dash::cli {

// Adds the group to the parser; `chosen` gets the command that was on the command line.
void add_mirror_commands(CLI::App& app, SettingOptions& settings, const std::function<void(Command)>& chosen);

}  // namespace dash::cli
