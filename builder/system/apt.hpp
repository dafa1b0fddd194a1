// The system packages step: Debian packages installed into an image, and toolchains that never enter one.
#pragma once

#include "builder/app/apt_files.hpp"
#include "builder/sandbox/snapshots.hpp"
#include "builder/system/system_layer.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the same input would give another layer.
inline constexpr const char* kAptRecipe = "apt 3";

// How many layers the packages may take where nobody says less, without the last one. There are fewer heavy
// ones than among Python packages, and what Docker takes, 128 in all, must do for both and for the base
// image.
inline constexpr std::size_t kSystemPackageLayers = 20;

struct SystemInstallation {
  std::string step;  // names it in events
  LayerLimits limits = {.layers = kSystemPackageLayers};
  PackageLayers::Reuse reuse = PackageLayers::Reuse::yes;
};

// Installs what `files` of `app` say, in the sandbox over `layers`, and returns the change as layers by
// package (system_layer.hpp), without package lists, logs, caches and backups. What the user wrote wrongly
// (an unknown package, a bad line) is Error(invalid_input) that names word, file and line; other failures are
// Error(step_failed) with apt's last output.
std::vector<oci::Layer> install_system_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                                const AppDirectory& app, const AptFiles& files,
                                                const SystemInstallation& installation);

// The tree that installing `packages` (without recommended ones) over `layers` adds, in overlay form, for
// SandboxCommand::extra_layers. Kept in `snapshots` under the layers' diff ids and the packages, so it is
// made once.
fs::path install_toolchain(const Workbench& bench, Snapshots& snapshots,
                           const std::vector<oci::Layer>& layers, const std::vector<std::string>& packages,
                           const std::string& step);

}  // namespace dash::builder
