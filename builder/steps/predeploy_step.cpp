// The predeploy script of app.json.
#include "builder/image_config.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/predeploy.hpp"

namespace dash::builder {

namespace {

class PredeployStep : public Step {
 public:
  PredeployStep(const Workbench& bench, const BuildRequest& request, const AppInputs& app)
      : bench_(bench), request_(request), app_(app) {}
  std::string name() const override { return kPredeployStep; }

  std::optional<std::string> skip_reason() const override {
    if (app_.json.predeploy) return std::nullopt;
    return "app.json has no predeploy";
  }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    out.add_content("predeploy", app_.json.predeploy->command);
    // The script may read anything in the image.
    for (const auto* step : {kBaseStep, kLauncherStep, kSystemPackagesStep, kPythonPackagesStep, kAppStep})
      out.add(step, below.identity_of(step));
    for (const auto& [name, value] : request_.environment) out.add_content("--env " + name, value);
    out.add("recipe", kPredeployRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    const auto base =
        oci::ImageConfig::parse(below.facts.at(kBaseStep).at("config"), "configuration of the base image");
    const auto config =
        app_image_config(base, request_.name.repository, request_.environment, bench_.host.source_date_epoch);
    return {{run_predeploy(bench_, below.layers(), app_.json.predeploy->command, config.environment,
                           kPredeployStep)},
            {}};
  }

 private:
  const Workbench& bench_;
  const BuildRequest& request_;
  const AppInputs& app_;
};

}  // namespace

std::unique_ptr<Step> make_predeploy_step(const Workbench& bench, const BuildRequest& request,
                                          const AppInputs& app) {
  return std::make_unique<PredeployStep>(bench, request, app);
}

}  // namespace dash::builder
