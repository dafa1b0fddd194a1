// Makers of the single steps, and what their inputs have in common.
#pragma once

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

// Leaves that decide how any layer's bytes look: compression and time stamps.
void add_layer_format(StepInputs& inputs, const Workbench& bench);

}  // namespace dash::builder
