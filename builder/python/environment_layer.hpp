// Writing installed distributions as layers, straight from their wheels.
#pragma once

#include "builder/packages/write_layers.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/python/install.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace dash::builder {

// Paths of the environment's own files, relative to the root: pyvenv.cfg, bin/python, lib64.
std::vector<std::string> environment_files(const InstallScheme& scheme);

// The layer of the environment itself: those files, and an empty site-packages.
oci::Layer write_environment_layer(const Workbench& bench, const InstallScheme& scheme);

// What a layer of packages holds. Of two distributions that have a path in common the later one wins, as with
// pip (install_order.hpp); no file of one may be a directory of another (arrange_packages.hpp sees to that).
using PackageGroup = std::vector<const InstalledDistribution*>;

// The .pyc files of a distribution of a group; called from several threads, may wait. Empty: there are none.
using BytecodeSource = std::function<Bytecode(const InstalledDistribution& distribution)>;

// Writes a layer for each group, a few at a time in the order given; all of it is the app user's: every file
// of the distributions, their RECORD, their .pyc files, and the directories that lead there, in path order. A
// layer's bytes depend on its group alone. Content is inflated ahead on the pool within a bounded number of
// bytes and checked against RECORD.
void write_package_layers(const Workbench& bench, const InstallScheme& scheme,
                          const std::vector<PackageGroup>& groups, const BytecodeSource& bytecode,
                          const LayerWritten& written);

}  // namespace dash::builder
