// Which buildpack an app needs, found out from the names in its root directory.
#pragma once

#include "builder/app/app_directory.hpp"

#include <string>
#include <vector>

namespace dash::builder {

inline constexpr const char* kRequirementsFile = "requirements.txt";

enum class Buildpack { python, conda };

struct Detection {
  Buildpack buildpack = Buildpack::python;
  std::string file;                // the file that decided: "requirements.txt"
  std::vector<std::string> notes;  // files of other builders that are not used

  // "python: requirements.txt"
  std::string rule() const;
};

// Order of the rules: conda-requirements.txt, conda-runtime.txt (conda); requirements.txt, setup.py,
// pyproject.toml (python). A Pipfile alone is Error(unsupported) that says how to export it. When no rule
// fits, Error(invalid_input) lists what was looked for and what is there.
Detection detect_buildpack(const AppDirectory& app);

// Why a Workspaces build of a conda app is refused.
inline constexpr const char* kNoCondaWorkspace =
    "Workspaces run pip apps only: conda is not available there; the app can still be deployed";

}  // namespace dash::builder
