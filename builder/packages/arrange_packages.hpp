// Which files of several packages clash, and which packages share a layer.
#pragma once

#include "builder/packages/layer_planner.hpp"
#include "builder/packages/package_facts.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace dash::builder {

// The order in which packages are installed, which decides whose file stays where several have it.
struct InstallOrder {
  std::vector<std::size_t> packages;  // as indices
  std::vector<std::string> names;     // of each in that order: in the one spelling that tells them apart
};

struct Arrangement {
  // Layers, lowest first; each as indices of its packages, those that have a file in common in the order of
  // installation.
  std::vector<std::vector<std::size_t>> layers;
  // One line for each file of which the last one installed stays and that is not equal to the one before.
  std::vector<std::string> warnings;
};

// `environment` are the paths of the environment's own files, which lie below all packages. Packages that
// have a path in common with different content are in one layer. Error(invalid_input) where one installs a
// file and another needs a directory.
Arrangement arrange_packages(const std::vector<PackageFacts>& packages, const InstallOrder& order,
                             const std::vector<std::string>& environment, const LayerLimits& limits);

}  // namespace dash::builder
