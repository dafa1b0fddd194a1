// The steps of a build, in order, as the app's files ask for them.
#pragma once

#include "builder/build.hpp"
#include "builder/step.hpp"
#include "builder/steps/app_inputs.hpp"
#include "builder/workbench.hpp"

#include <memory>
#include <vector>

namespace dash::builder {

inline constexpr const char* kBaseStep = "base";
inline constexpr const char* kLauncherStep = "launcher";
inline constexpr const char* kCondaRuntimeStep = "conda-runtime";
inline constexpr const char* kSystemPackagesStep = "system-packages";
inline constexpr const char* kPythonRuntimeStep = "python-runtime";
inline constexpr const char* kCondaPackagesStep = "conda-packages";
inline constexpr const char* kPreCompileStep = "pre-compile";
inline constexpr const char* kPythonPackagesStep = "python-packages";
inline constexpr const char* kAppStep = "app";
inline constexpr const char* kNltkStep = "nltk";
inline constexpr const char* kCollectstaticStep = "collectstatic";
inline constexpr const char* kPostCompileStep = "post-compile";
inline constexpr const char* kPredeployStep = "predeploy";

// The steps of one app, lowest layer first, with the files they were made from.
struct StepList {
  std::unique_ptr<AppInputs> app;  // before the steps, which refer to it
  std::vector<std::unique_ptr<Step>> steps;
};

// Reads the lifecycle files of the request's app and makes its steps. Everything that is wrong with those
// files is thrown here, before anything runs. `bench` and `request` must outlive the result.
StepList make_steps(const Workbench& bench, const BuildRequest& request);

}  // namespace dash::builder
