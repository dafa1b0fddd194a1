// The launcher layer: /start, /exec and the app user.
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/launcher.hpp"

namespace dash::builder {

namespace {

class LauncherStep : public Step {
 public:
  explicit LauncherStep(const Workbench& bench) : bench_(bench) {}
  std::string name() const override { return kLauncherStep; }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    out.add("launcher", kLauncherRecipe);
    out.add("base", below.identity_of(kBaseStep));  // its passwd and group are continued
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    return {{make_launcher_layer(bench_, below.layers())}, {}};
  }

 private:
  const Workbench& bench_;
};

}  // namespace

std::unique_ptr<Step> make_launcher_step(const Workbench& bench) {
  return std::make_unique<LauncherStep>(bench);
}

}  // namespace dash::builder
