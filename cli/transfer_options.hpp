// The command lines of the subcommands that talk to registries, as values.
#pragma once

#include "cli/options.hpp"
#include "cli/setting_options.hpp"

#include <functional>
#include <string>
#include <vector>

namespace dash::cli {

// Adds these subcommands to the parser; `chosen` gets the one that was on the command line.
void add_transfer_commands(CLI::App& app, SettingOptions& settings,
                           const std::function<void(Command)>& chosen);

}  // namespace dash::cli
