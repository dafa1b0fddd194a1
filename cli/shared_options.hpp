// Options that several subcommands have.
#pragma once

#include "cli/options.hpp"
#include "cli/setting_options.hpp"

#include <string>

namespace dash::cli {

// Where the store is, and which certificates count.
void add_common(SettingOptions& settings, CLI::App& command, CommonOptions& options);

// How registries are reached. `options` must outlive the parsing.
void add_registry(CLI::App& command, RegistryOptions& options);

// A user and password for the one registry that a command is about.
void add_credentials(CLI::App& command, RegistryOptions& options, const std::string& name = "--creds");

}  // namespace dash::cli
