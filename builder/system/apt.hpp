// The system packages step: Debian packages installed into an image, and toolchains that never enter one.
#pragma once

#include "builder/sandbox/snapshots.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// A line or word of a lifecycle file, with where it stands (from 1).
struct AptItem {
  std::string text;
  std::size_t line = 0;
};

// The eight apt files and dpkg-packages/, parsed: no CR, no byte order mark, no comments. Absent files are
// empty.
struct AptInput {
  std::optional<std::string> conf;         // apt-conf: kept in the image as /etc/apt/apt.conf.d/99dokku-apt
  std::optional<std::string> env;          // apt-env: shell text, for the installation only
  std::vector<AptItem> keys;               // apt-keys: one URL each
  std::optional<std::string> preferences;  // apt-preferences: kept as /etc/apt/preferences.d/90customizations
  std::optional<std::string>
      sources_list;                   // apt-sources-list: instead of every source of the image, not kept
  std::vector<AptItem> repositories;  // apt-repositories: "deb …" lines, or what add-apt-repository takes
  std::vector<AptItem> debconf;       // apt-debconf: lines for debconf-set-selections
  std::vector<AptItem> packages;      // apt-packages: words, "name" or "name=version" or a pattern
  std::vector<fs::path> debs;         // files of dpkg-packages/, in the order of installation

  bool empty() const;
};

// Part of step keys: changes when the same input would give another layer.
inline constexpr const char* kAptRecipe = "apt 1";

// Installs in the sandbox over `layers` and returns the change as one layer, without package lists, logs,
// caches and backups. `step` names the step in events. What the user wrote wrongly (an unknown package, a bad
// line) is Error(invalid_input) that names word, file and line; other failures are Error(step_failed) with
// apt's last output.
oci::Layer install_system_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                   const AptInput& input, const std::string& step);

// The tree that installing `packages` (without recommended ones) over `layers` adds, in overlay form, for
// SandboxCommand::extra_layers. Kept in `snapshots` under the layers' diff ids and the packages, so it is
// made once.
fs::path install_toolchain(const Workbench& bench, Snapshots& snapshots,
                           const std::vector<oci::Layer>& layers, const std::vector<std::string>& packages,
                           const std::string& step);

}  // namespace dash::builder
