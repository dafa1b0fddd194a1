// From a lock to layers: what is there already is taken by digest, the rest is fetched, compiled and written.
#pragma once

#include "builder/app/requirements.hpp"
#include "builder/packages/layer_planner.hpp"
#include "builder/packages/package_layers.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/python/collect_wheels.hpp"
#include "builder/python/install.hpp"
#include "builder/python/pylock.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct PackageInstallation {
  std::string step;
  std::vector<oci::Layer> root;  // where the interpreter is, for compiling modules
  InstallScheme scheme;
  // Whether there is a layer of the environment itself (pyvenv.cfg, bin/python, lib64): not over a runtime
  // archive, which is one.
  enum class Environment { none, layer } environment = Environment::layer;
  const std::vector<RequestedPackage>& requested;  // sorted by name
  PycFiles pyc_files = PycFiles::compile;
  LayerLimits limits;
  Reuse reuse = Reuse::yes;
};

struct InstalledPackages {
  struct Package {
    std::string name;
    std::string version;
  };
  std::vector<Package> packages;   // sorted by normalised name
  std::vector<oci::Layer> layers;  // lowest first; with kPackagesAnnotation
};

// Installs the packages of a lock. How they share layers is a function of the set (arrange_packages.hpp,
// layer_planner.hpp), and a layer's bytes are a function of its packages' wheels, the scheme, what was asked
// for by name, the origin of what comes from no index, `pyc_files` and the format of layers. So the layers do
// not depend on what the store had before, and the wheel of a package is needed only when its layer is not
// there. Layers, and what is known of packages, are recorded as they come (docs/formats/records.md).
InstalledPackages install_packages(const Workbench& bench, const Lock& lock, WheelCollector& wheels,
                                   const PackageInstallation& request);

}  // namespace dash::builder
