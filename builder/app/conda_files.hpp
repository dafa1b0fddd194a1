// The lifecycle files of a conda app.
#pragma once

#include "builder/app/app_directory.hpp"
#include "builder/app/conda_runtime.hpp"

#include <optional>
#include <string>

namespace dash::builder {

inline constexpr const char* kCondaRequirements = "conda-requirements.txt";
inline constexpr const char* kCondarc = ".condarc";

struct CondaFiles {
  CondaRuntime runtime;
  std::optional<std::string> requirements;  // conda-requirements.txt with "\n" at line ends; none: no file
  std::string condarc;                      // .condarc; empty: none
};

CondaFiles read_conda_files(const AppDirectory& app);

}  // namespace dash::builder
