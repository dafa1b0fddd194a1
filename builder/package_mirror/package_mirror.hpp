// A mirror of the conda installers, conda packages and Python packages that apps need, as files for a plain
// web server (docs/formats/package-mirror.md).
#pragma once

#include "base/path.hpp"
#include "builder/conda/conda_settings.hpp"
#include "builder/package_mirror/mirror_contents.hpp"
#include "builder/workbench.hpp"

#include <cstdint>
#include <string>

namespace dash::builder {

struct PackageMirrorReport {
  std::size_t installers = 0;
  std::size_t conda_packages = 0;
  std::size_t distributions = 0;
  std::uint64_t bytes = 0;  // of all of these
};

// Adds to what is in `directory`: miniconda/, conda/, simple/, and dash-build.toml with the settings for
// machines that see it at `url`. Files come from the store where it has them, else from their URLs; each is
// verified and appears only when it is whole, lists after what they list. Lists of channels come from the
// network. One run at a time has a directory; others wait.
PackageMirrorReport write_package_mirror(const Workbench& bench, const CondaSettings& settings,
                                         const MirrorContents& contents, const fs::path& directory,
                                         std::string_view url);

// The directory as a tar, sorted, without times: equal mirrors are equal files. It appears when it is whole.
void write_mirror_archive(const fs::path& directory, const fs::path& archive);

}  // namespace dash::builder
