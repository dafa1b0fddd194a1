// The predeploy step: a script of the app, run as root in the image, whose whole change becomes a layer.
#pragma once

#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the same script would give another layer.
inline constexpr const char* kPredeployRecipe = "predeploy 1";

// Runs `script` (a shell line) over `layers` in /app with HOME=/app, after the profile scripts of image and
// app, and returns the layer with the whole change; what is below /app belongs to the app user. `environment`
// is the image's. Mounts, /tmp, /etc/hosts, /etc/resolv.conf, /etc/hostname and apt's lists and logs are not
// part of it. A script that starts with the path of a file that is not executable is Error(invalid_input), a
// failing one Error(step_failed) with its output. Processes it leaves behind are killed.
oci::Layer run_predeploy(const Workbench& bench, const std::vector<oci::Layer>& layers,
                         const std::string& script, const std::vector<std::string>& environment,
                         const std::string& step);

}  // namespace dash::builder
