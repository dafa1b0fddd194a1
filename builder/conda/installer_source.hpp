// Where a conda installer comes from, and which bytes it must have.
#pragma once

#include "builder/app/conda_runtime.hpp"
#include "builder/conda/conda_settings.hpp"

#include <optional>
#include <string>

namespace dash::builder {

struct InstallerFile {
  fs::path path;
  std::string name;  // installer_file_name
  Sha256 sha256{};
};

// "Miniconda3-py311_24.1.2-0=HEX"; Error(usage) that says what is wrong.
std::pair<std::string, Sha256> parse_installer_digest(std::string_view text);

// The digest that an installer must have: configured, or one of the two that Dash Enterprise names.
std::optional<Sha256> pinned_digest(const CondaSettings& settings, const std::string& installer);

// "Miniconda3-4.5.12-Linux-x86_64.sh"
std::string installer_file_name(const std::string& installer);

// Whether builds without internet may have it: one of the two of Dash Enterprise.
bool is_airgapped_runtime(std::string_view installer);

// Removes an installer without a pin that turned out to be none, so that it is fetched again.
void forget_installer(const Workbench& bench, const CondaSettings& settings, const CondaRuntime& runtime,
                      const InstallerFile& file);

// The installer on this machine: what was fetched before is in the store, and what is pinned must be that. An
// installer without a pin keeps the digest that it had first, except those that are called "latest".
// Error(unsupported) in offline and airgapped builds for others than the two of Dash Enterprise,
// Error(unavailable) when it is not in the store and the build is offline, or nobody says where it is.
InstallerFile get_installer(const Workbench& bench, const CondaSettings& settings,
                            const CondaRuntime& runtime, const std::string& step);

}  // namespace dash::builder
