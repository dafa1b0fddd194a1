// Makers of the single steps, and what their inputs have in common.
#pragma once

#include "base/error.hpp"
#include "builder/step.hpp"
#include "builder/steps/app_inputs.hpp"
#include "builder/workbench.hpp"

#include <memory>

namespace dash::builder {

// `bench`, `request` and `app` must outlive the steps.
std::unique_ptr<Step> make_launcher_step(const Workbench& bench);
std::unique_ptr<Step> make_system_packages_step(const Workbench& bench, const AppInputs& app);
std::unique_ptr<Step> make_python_packages_step(const Workbench& bench, const BuildRequest& request,
                                                const AppInputs& app);
std::unique_ptr<Step> make_app_step(const Workbench& bench, const AppInputs& app);
std::unique_ptr<Step> make_predeploy_step(const Workbench& bench, const BuildRequest& request,
                                          const AppInputs& app);

// The Error for files of the app that changed while a step read them: its result belongs to neither state and
// must not be recorded.
Error source_changed(std::string_view step);

// Leaves that decide how any layer's bytes look: compression and time stamps.
void add_layer_format(StepInputs& inputs, const Workbench& bench);

}  // namespace dash::builder
