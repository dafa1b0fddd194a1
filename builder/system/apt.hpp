// The system packages step: Debian packages installed into an image, and toolchains that never enter one.
#pragma once

#include "builder/app/apt_files.hpp"
#include "builder/sandbox/snapshots.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the same input would give another layer.
inline constexpr const char* kAptRecipe = "apt 2";

// Installs what `files` of `app` say, in the sandbox over `layers`, and returns the change as one layer,
// without package lists, logs, caches and backups. `step` names the step in events. What the user wrote
// wrongly (an unknown package, a bad line) is Error(invalid_input) that names word, file and line; other
// failures are Error(step_failed) with apt's last output.
oci::Layer install_system_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                   const AppDirectory& app, const AptFiles& files, const std::string& step);

// The tree that installing `packages` (without recommended ones) over `layers` adds, in overlay form, for
// SandboxCommand::extra_layers. Kept in `snapshots` under the layers' diff ids and the packages, so it is
// made once.
fs::path install_toolchain(const Workbench& bench, Snapshots& snapshots,
                           const std::vector<oci::Layer>& layers, const std::vector<std::string>& packages,
                           const std::string& step);

}  // namespace dash::builder
