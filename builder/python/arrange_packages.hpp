// Which files of several packages clash, and which packages share a layer.
#pragma once

#include "builder/layer_planner.hpp"
#include "builder/python/environment_layer.hpp"
#include "builder/python/package_facts.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace dash::builder {

struct Arrangement {
  // Layers, lowest first; each as indices of its packages, those that have a file in common in pip's order.
  std::vector<std::vector<std::size_t>> layers;
  // One line for each file of which the last in pip's order stays and that is not equal to the one before.
  std::vector<std::string> warnings;
};

// `environment` are the paths of the environment's own files, which lie below all packages. Packages that
// have a path in common with different content are in one layer. Error(invalid_input) where one installs a
// file and another needs a directory.
Arrangement arrange_packages(const std::vector<PackageFacts>& packages,
                             const std::vector<std::string>& environment, const LayerLimits& limits);

}  // namespace dash::builder
