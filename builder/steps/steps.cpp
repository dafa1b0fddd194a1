#include "builder/steps/steps.hpp"

#include "base/text.hpp"
#include "builder/steps/base_step.hpp"
#include "builder/steps/step_list.hpp"

namespace dash::builder {

void add_files(StepInputs& inputs, const std::vector<FileLeaf>& files) {
  for (const auto& file : files) {
    inputs.add(file.name, "sha256:" + to_hex(file.digest));
    if (file.lines) inputs.show(file.name, *file.lines);
  }
}

void add_layer_format(StepInputs& inputs, const Workbench& bench) {
  inputs.add("compression", bench.compression.identity());
  inputs.add("time", std::to_string(bench.host.source_date_epoch));
}

Error source_changed(std::string_view step) {
  return Error(ErrorCode::invalid_input,
               concat("files of the app changed while the step ", step, " read them"))
      .with_hint("build again when nothing writes to the app's directory");
}

StepList make_steps(const Workbench& bench, const BuildRequest& request) {
  StepList out;
  out.app = std::make_unique<AppInputs>(read_app_inputs(bench, request));
  const auto& app = *out.app;
  out.steps.push_back(make_base_step(bench, request.base));
  out.steps.push_back(make_launcher_step(bench));
  if (app.conda) out.steps.push_back(make_conda_runtime_step(bench, request, app));
  out.steps.push_back(make_system_packages_step(bench, request, app));
  if (app.conda) out.steps.push_back(make_conda_packages_step(bench, request, app));
  if (app.runtime && !request.runtimes.empty())
    out.steps.push_back(make_python_runtime_step(bench, request, app));
  // bin/pre_compile needs the source, and the packages may need what it makes; otherwise the source, which
  // changes most often, comes last.
  const auto& hooks = app.hooks;
  const bool has_python = !app.python_requirements().empty();
  if (hooks.pre_compile == BuildHooks::Hook::present) {
    out.steps.push_back(make_app_step(bench, app));
    out.steps.push_back(make_pre_compile_step(bench, request));
    if (has_python) out.steps.push_back(make_python_packages_step(bench, request, app));
  } else {
    if (has_python) out.steps.push_back(make_python_packages_step(bench, request, app));
    out.steps.push_back(make_app_step(bench, app));
  }
  if (!hooks.nltk_packages.empty()) out.steps.push_back(make_nltk_step(bench, request, hooks));
  if (!hooks.manage_py.empty()) out.steps.push_back(make_collectstatic_step(bench, request, hooks));
  if (hooks.post_compile == BuildHooks::Hook::present)
    out.steps.push_back(make_post_compile_step(bench, request));
  out.steps.push_back(make_predeploy_step(bench, request, app));
  return out;
}

}  // namespace dash::builder
