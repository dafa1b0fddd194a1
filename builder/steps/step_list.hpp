// Makers of the single steps, and what their inputs have in common.
#pragma once

#include "base/error.hpp"
#include "builder/app/file_leaf.hpp"
#include "builder/step.hpp"
#include "builder/steps/app_inputs.hpp"
#include "builder/workbench.hpp"

#include <memory>
#include <vector>

namespace dash::builder {

// `bench`, `request` and `app` must outlive the steps.
std::unique_ptr<Step> make_launcher_step(const Workbench& bench);
std::unique_ptr<Step> make_system_packages_step(const Workbench& bench, const BuildRequest& request,
                                                const AppInputs& app);
// Only for apps with a runtime.txt, when runtime archives are configured.
std::unique_ptr<Step> make_python_runtime_step(const Workbench& bench, const BuildRequest& request,
                                               const AppInputs& app);
std::unique_ptr<Step> make_python_packages_step(const Workbench& bench, const BuildRequest& request,
                                                const AppInputs& app);
// Only for conda apps.
std::unique_ptr<Step> make_conda_runtime_step(const Workbench& bench, const BuildRequest& request,
                                              const AppInputs& app);
std::unique_ptr<Step> make_conda_packages_step(const Workbench& bench, const BuildRequest& request,
                                               const AppInputs& app);
std::unique_ptr<Step> make_app_step(const Workbench& bench, const AppInputs& app);
// Only for apps that have what they are about (AppInputs::hooks).
std::unique_ptr<Step> make_pre_compile_step(const Workbench& bench, const BuildRequest& request);
std::unique_ptr<Step> make_post_compile_step(const Workbench& bench, const BuildRequest& request);
std::unique_ptr<Step> make_collectstatic_step(const Workbench& bench, const BuildRequest& request,
                                              const BuildHooks& hooks);
std::unique_ptr<Step> make_nltk_step(const Workbench& bench, const BuildRequest& request,
                                     const BuildHooks& hooks);
std::unique_ptr<Step> make_predeploy_step(const Workbench& bench, const BuildRequest& request,
                                          const AppInputs& app);

// The Error for files of the app that changed while a step read them: its result belongs to neither state and
// must not be recorded.
Error source_changed(std::string_view step);

// The leaves of files, with what may be shown of them.
void add_files(StepInputs& inputs, const std::vector<FileLeaf>& files);

// Leaves that decide how any layer's bytes look: compression and time stamps.
void add_layer_format(StepInputs& inputs, const Workbench& bench);

}  // namespace dash::builder
