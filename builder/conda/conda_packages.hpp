// From a lock to layers: conda packages fetched, linked, compiled and written, without conda.
#pragma once

#include "builder/conda/collect_packages.hpp"
#include "builder/conda/explicit_lock.hpp"
#include "builder/image_config.hpp"
#include "builder/packages/layer_planner.hpp"
#include "builder/packages/package_layers.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct CondaInstallation {
  std::string step;
  std::vector<oci::Layer> root;  // what the environment stands on: for compiling and post-link scripts
  std::string prefix = kCondaPrefix;
  PycFiles pyc_files = PycFiles::compile;
  LayerLimits limits = {};
  Reuse reuse = Reuse::yes;
  // Files of the environment itself, which no package has: conda-meta/history, conda-meta/pinned, .condarc.
  struct File {
    std::string path;  // relative to the prefix
    std::string text;
  };
  std::vector<File> files = {};  // in a small layer of their own, below the packages'
  MapUrl map_url = {};           // for what has to be fetched
};

struct InstalledCondaPackages {
  struct Package {
    std::string name;
    std::string version;
  };
  std::vector<Package> packages;   // sorted by name
  std::vector<oci::Layer> layers;  // lowest first; with kPackagesAnnotation
  std::string python_version;      // of the python package; empty: there is none
};

// Installs exactly these packages: dependencies are not looked at, as with conda's own explicit files. How
// they share layers is a function of the set, and a layer's bytes are a function of its packages' digests and
// records, their URLs without credentials, the prefix, Python's minor version, the python package where
// modules were compiled, and the format of layers. So the layers do not depend on what the store had before,
// and a package is needed only when its layer is not there. Layers, and what is known of packages, are
// recorded as they come (docs/formats/records.md). Where packages have post-link scripts these run in the
// sandbox over all of it, and what they change is one layer on top. Of several packages with one file the
// last in conda's order wins, with a warning.
InstalledCondaPackages install_conda_packages(const Workbench& bench, const ExplicitLock& lock,
                                              const CondaInstallation& request);

}  // namespace dash::builder
