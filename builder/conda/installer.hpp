// Conda installers, read without being run.
#pragma once

#include "builder/conda/explicit_lock.hpp"

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace dash::builder {

// What an installer of constructor's would put into the base environment.
struct InstallerContent {
  std::string name;     // "Miniconda3"
  std::string version;  // of the installer
  // Its packages in its order, with both digests and the records of their channels.
  ExplicitLock packages;
  std::string conda_version;  // of the package "conda"; empty: there is none
};

// Reads one, and checks size, MD5 and that every package is there. Nothing when the file is no such
// installer, but maybe one of another kind. Error(corrupt) for a damaged one, Error(unsupported) for one of
// another platform; `shown` names the file.
std::optional<InstallerContent> read_installer(const fs::path& file, std::string_view shown,
                                               std::stop_token stop = {});

// Writes its package archives as directory/<file name>.
void extract_installer_packages(const fs::path& file, std::string_view shown, const fs::path& directory,
                                std::stop_token stop = {});

}  // namespace dash::builder
