// Building wheels from source distributions, directories and repositories, in the sandbox with a toolchain
// that never enters the image.
#pragma once

#include "builder/interpreter.hpp"
#include "builder/python/pylock.hpp"
#include "builder/workbench.hpp"

#include <functional>
#include <string>
#include <vector>

namespace dash::builder {

// Installs Debian packages over `layers` and returns the change (Changes::keep).
using PackageInstaller = std::function<SandboxResult(const std::vector<oci::Layer>& layers,
                                                     const std::vector<std::string>& packages)>;

struct BuildContext {
  std::string step;
  std::vector<oci::Layer> layers;
  Interpreter interpreter;
  fs::path app_directory;  // directories of the lock below /app are here
  fs::path uv;
  PackageInstaller install_packages;
};

struct WheelSource {
  std::string name;
  std::string version;
  fs::path archive;              // a source distribution on the host, or
  fs::path directory;            // a project directory on the host, or
  std::optional<LockedVcs> vcs;  // a repository
  std::string subdirectory;
  Sha256 sha256{};  // of the archive
};

// A wheel for the source: from store.packages()/built when source, interpreter, layers and toolchain are the
// same as before, else built. The result is reproducible as far as the project's build is. Error(step_failed)
// with the build's last output and a hint when the build fails.
fs::path build_wheel(Workbench& bench, const BuildContext& context, const WheelSource& source);

}  // namespace dash::builder
