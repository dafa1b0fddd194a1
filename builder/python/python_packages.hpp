// The python-packages step: requirements → lock → wheels → layers.
#pragma once

#include "builder/app/requirements.hpp"
#include "builder/interpreter.hpp"
#include "builder/python/build_wheel.hpp"
#include "builder/python/package_installer.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/resolve.hpp"
#include "builder/workbench.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// Part of step keys: changes when the same lock would give another layer.
inline constexpr const char* kPythonRecipe = "python 4";

struct PythonRequest {
  std::string step = "python-packages";
  std::vector<oci::Layer>
      layers;              // what the packages are installed on: base and system packages, lowest first
  fs::path app_directory;  // the app's source on the host
  IgnoreRules ignore;      // what of it takes no part in builds either
  RequirementsFiles requirements;  // a project's are those of collect_project
  PycFiles pyc_files = PycFiles::compile;
  LayerLimits layer_limits;
  Reuse reuse = Reuse::yes;
  IndexStrategy index_strategy = IndexStrategy::first_index;
  std::string previous_lock;  // whose versions are kept where they fit; may be empty
  Upgrade upgrade;
  // A lock to use exactly, and what it is called in messages; empty: uv is asked.
  std::string locked;
  std::string locked_place;
  fs::path uv;  // the program on the host
  // What is known already about the interpreter; otherwise python3 of the layers is asked.
  std::optional<Interpreter> interpreter;
  fs::path runtime;  // ResolveRequest::runtime
  // Where packages go: into a virtual environment over the interpreter, or into an environment of conda's,
  // which `layers` have already.
  std::string prefix = kPythonPrefix;
  enum class Environment { own, conda } environment = Environment::own;
  Toolchain toolchain;  // needed only when something must be built
};

struct PythonLayerResult {
  std::vector<oci::Layer> layers;  // lowest first
  Interpreter interpreter;
  Lock lock;  // what was installed; its text is without secrets (LockSecrets)
  std::vector<InstalledPackages::Package> packages;  // what is installed, sorted by normalised name
  // Whether anything was built from source: only then does the layer depend on the system packages.
  enum class Compiled { no, yes } compiled = Compiled::no;
};

// Resolves (or checks the given lock), fetches, builds, compiles and writes. Distributions are installed in
// pip's order (install_order.hpp). The layers' bytes depend on the lock, the interpreter, the prefix, the
// limits and the compression only (and, with `compiled`, on the layers below).
PythonLayerResult install_python_packages(const Workbench& bench, const PythonRequest& request);

}  // namespace dash::builder
