// Making subcommands, and options that several of them have.
#pragma once

#include "cli/options.hpp"
#include "cli/setting_options.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace dash::cli {

// Gets the options of the subcommand that was on the command line.
using Chosen = std::function<void(Command)>;

CLI::App& add_subcommand(CLI::App& parent, const std::string& name, const std::string& what,
                         const std::string& footer, std::function<void()> chosen);

// A subcommand whose options live as long as the parser.
template <class Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add_command(CLI::App& parent, const Chosen& chosen,
                                                           const std::string& name, const std::string& what,
                                                           const std::string& footer) {
  auto options = std::make_shared<Options>();
  auto& command = add_subcommand(parent, name, what, footer, [options, chosen] { chosen(*options); });
  return {&command, options};
}

// Where the store is, and which certificates count.
void add_common(SettingOptions& settings, CLI::App& command, CommonOptions& options);

// How registries are reached. `options` must outlive the parsing.
void add_registry(CLI::App& command, RegistryOptions& options);

// A user and password for the one registry that a command is about.
void add_credentials(CLI::App& command, RegistryOptions& options, const std::string& name = "--creds");

}  // namespace dash::cli
