// From a lock to layers: conda packages fetched, linked, compiled and written, without conda.
#pragma once

#include "builder/conda/explicit_lock.hpp"
#include "builder/conda/link.hpp"
#include "builder/packages/layer_planner.hpp"
#include "builder/packages/package_layers.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/workbench.hpp"

#include <functional>
#include <string>
#include <vector>

namespace dash::builder {

struct CondaInstallation {
  std::string step;
  std::vector<oci::Layer> root;  // what the environment stands on: for compiling and post-link scripts
  std::string prefix = kCondaPrefix;
  PycFiles pyc_files = PycFiles::compile;
  LayerLimits limits;
  Reuse reuse = Reuse::yes;
  // Files of the environment itself, beside the packages (conda-meta/history, .condarc, conda-meta/pinned):
  // a small layer of their own below the packages'.
  struct File {
    std::string path;  // relative to the prefix
    std::string text;
  };
  std::vector<File> files = {};
  // The URL to fetch a package from, where mirrors are configured; empty: the lock's.
  std::function<std::string(const std::string& url)> map_url = {};
};

struct InstalledCondaPackages {
  struct Package {
    std::string name;
    std::string version;
    std::string build;
    std::string url;
  };
  std::vector<Package> packages;   // sorted by name
  std::vector<oci::Layer> layers;  // lowest first; with kPackagesAnnotation
  std::string python_version;      // empty: there is no Python among them
  // Every URL with the digests that were found where the lock had none.
  ExplicitLock lock;
};

// Installs exactly these packages; dependencies are not looked at, as with conda's own explicit files. Layers
// are planned, recorded and reused as those of wheels (docs/architecture.md). A layer's bytes are a function
// of its packages' digests and repodata records, the prefix, the Python version, the interpreter's package
// where modules were compiled, and the format of layers. Post-link scripts run in the sandbox over all of it;
// what they change is one layer on top.
InstalledCondaPackages install_conda_packages(const Workbench& bench, const ExplicitLock& lock,
                                              const CondaInstallation& request);

// The text of conda-meta/history after one installation of these packages, at `time`.
std::string conda_history(const ExplicitLock& lock, std::int64_t time, const std::vector<std::string>& specs,
                          std::string_view conda_version);

}  // namespace dash::builder
