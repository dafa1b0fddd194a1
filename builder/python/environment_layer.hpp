// Writing installed distributions as a layer, straight from their wheels.
#pragma once

#include "builder/python/bytecode.hpp"
#include "builder/python/install.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct EnvironmentLayer {
  std::string step;
  InstallScheme scheme;
  // In install order: where two write one path the later one wins, as with pip, and a warning is emitted
  // unless the files are equal.
  const std::vector<InstalledDistribution>& distributions;
  // One per distribution, or empty: no .pyc files.
  const std::vector<Bytecode>& bytecode;
  // Whether the environment itself (pyvenv.cfg, bin/python, lib64) is part of this layer.
  enum class Skeleton { no, yes } skeleton = Skeleton::yes;
};

// Writes one layer, all of it the app user's: every file of the distributions, their RECORD, their .pyc
// files, and the directories that lead there, in path order. Content is inflated ahead on the pool within a
// bounded number of bytes and checked against RECORD.
oci::Layer write_environment_layer(const Workbench& bench, const EnvironmentLayer& contents);

}  // namespace dash::builder
