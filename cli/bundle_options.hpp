// The command lines of `mirror export`, `import`, `inventory` and `verify`, as values.
#pragma once

#include "cli/options.hpp"
#include "cli/setting_options.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace dash::cli {

// Adds them to the group `mirror`; `chosen` gets the command that was on the command line.
void add_bundle_commands(CLI::App& group, SettingOptions& settings,
                         const std::function<void(Command)>& chosen);

// "650M", "4G", "1000000": bytes, with K, M, G and T as powers of 1024. Error(usage) that names `option`.
std::uint64_t parse_size(const std::string& text, const char* option);

}  // namespace dash::cli
