// Registries as this host's files, variables and the command line describe them.
#pragma once

#include "builder/host.hpp"
#include "cli/options.hpp"
#include "registry/registry_session.hpp"

#include <set>
#include <string>

namespace dash::cli {

// Settings for `options`. `registry` and `target` (may be empty) are the hosts that its credentials are for.
registry::RegistrySettings registry_settings(const RegistryOptions& options,
                                             const builder::HostSettings& host, const fs::path& home,
                                             const std::string& registry, const std::string& target = {});

// Whose --creds are, where a command may ask several registries; empty when there are none. Error(usage) when
// that is not clear.
std::string only_registry(const RegistryOptions& options, const std::set<std::string>& registries);

// What registry sessions remember between runs, below a store (docs/formats/store.md).
fs::path transfers_directory(const fs::path& store);

// The file that `login` writes to.
fs::path login_file(const RegistryOptions& options, const builder::HostSettings& host);

}  // namespace dash::cli
