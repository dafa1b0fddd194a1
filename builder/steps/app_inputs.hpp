// An app's lifecycle files, read once for all steps.
#pragma once

#include "builder/app/app_directory.hpp"
#include "builder/app/app_json.hpp"
#include "builder/app/apt_files.hpp"
#include "builder/app/build_hooks.hpp"
#include "builder/app/conda_files.hpp"
#include "builder/app/detection.hpp"
#include "builder/app/ignore_rules.hpp"
#include "builder/app/runtime_txt.hpp"
#include "builder/build.hpp"
#include "builder/workbench.hpp"

#include <optional>

namespace dash::builder {

struct AppInputs {
  AppDirectory directory;
  Detection detection;
  std::optional<PythonVersionRequest> runtime;  // never in conda apps
  std::optional<CondaFiles> conda;              // in conda apps only
  AptFiles apt;
  AppJson json;
  IgnoreRules ignore;
  BuildHooks hooks;

  // The file that python-packages installs from; empty: there is none.
  std::string python_requirements() const;
};

// Reads and checks everything that can be checked without running anything. The notes and warnings it finds
// are emitted.
AppInputs read_app_inputs(const Workbench& bench, const BuildRequest& request);

}  // namespace dash::builder
