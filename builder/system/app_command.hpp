// Running a command of the app in its image, whose whole change becomes a layer.
#pragma once

#include "builder/workbench.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the same command would give another layer.
inline constexpr const char* kAppCommandRecipe = "app command 1";

struct AppCommand {
  std::string step;                      // names it in events
  std::string script;                    // a shell line; ends at its first failing command
  std::vector<std::string> environment;  // complete, as "NAME=value"
  // Whether the profile scripts that /start sources are sourced before.
  enum class Profile { source, skip } profile = Profile::source;
  SandboxCommand::Secrets secrets = SandboxCommand::Secrets::visible;
  std::vector<SandboxMount> mounts = {};
};

struct AppCommandResult {
  int exit_code = 0;
  std::string tail;                 // last output, for errors
  std::optional<oci::Layer> layer;  // when the exit code is 0
};

// Runs it as root over `layers` in /app, with HOME=/app. What it changed below /app belongs to the app user.
// Mounts, /tmp, /etc/hosts, /etc/resolv.conf, /etc/hostname and what change_filter.hpp lists are not part of
// the layer. Processes that it leaves behind are killed.
AppCommandResult run_app_command(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                 const AppCommand& command);

}  // namespace dash::builder
