// The predeploy step: a script of the app, run as root in the image, whose whole change becomes a layer.
#pragma once

#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the same script would give another layer.
inline constexpr const char* kPredeployRecipe = "predeploy 2";

// Runs `script` (a shell line) over `layers` as run_app_command does, after the profile scripts of image and
// app, and returns the layer with the whole change. `environment` is the image's. A script that starts with
// the path of a file that is not executable is Error(invalid_input), a failing one Error(step_failed) with
// its output.
oci::Layer run_predeploy(const Workbench& bench, const std::vector<oci::Layer>& layers,
                         const std::string& script, const std::vector<std::string>& environment,
                         const std::string& step);

}  // namespace dash::builder
