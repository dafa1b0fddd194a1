// The predeploy script of app.json.
#include "builder/steps/app_image.hpp"
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

  std::optional<std::string> skip_reason(const ImageState&) const override {
    if (app_.json.predeploy) return std::nullopt;
    return "app.json has no predeploy";
  }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    out.add_content("predeploy", app_.json.predeploy->command);
    add_image(out, request_, below);
    out.add("recipe", kPredeployRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    return {{run_predeploy(bench_, below.layers(), app_.json.predeploy->command,
                           image_config(bench_, request_, below).environment, kPredeployStep)},
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
