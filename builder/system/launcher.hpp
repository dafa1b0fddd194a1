// The launcher layer: /start and /exec, the app user and /app.
#pragma once

#include "builder/workbench.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the layer does.
inline constexpr const char* kLauncherRecipe = "launcher 2";

// Shell text that goes to /app and sources the profile scripts of image and app, in the order that login
// shells and herokuish have.
std::string enter_app_script();
// Runs the Procfile's command of a process type (default "web").
std::string start_script();
// Runs any command in the same environment.
std::string exec_script();

// The content of passwd(5) or group(5) with a line for the app user or group appended, unless it has the name
// already.
std::string with_app_user(std::string passwd);
std::string with_app_group(std::string group);

// The layer over `base`: the two scripts, /app owned by the app user, and /etc/passwd and /etc/group when the
// base does not know that user.
oci::Layer make_launcher_layer(const Workbench& bench, const std::vector<oci::Layer>& base);

}  // namespace dash::builder
