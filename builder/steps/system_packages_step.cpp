// The system packages: the apt files and dpkg-packages/.
#include "base/text.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/apt.hpp"

namespace dash::builder {

namespace {

class SystemPackagesStep : public Step {
 public:
  SystemPackagesStep(const Workbench& bench, const AppInputs& app)
      : bench_(bench), app_(app), leaves_(apt_leaves(app.directory, app.apt, bench.pool, bench.stop)) {}
  std::string name() const override { return kSystemPackagesStep; }

  std::optional<std::string> skip_reason(const ImageState&) const override {
    if (!app_.apt.empty()) return std::nullopt;
    return "no apt-packages and no dpkg-packages/";
  }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    add_files(out, leaves_);
    out.add("base", below.identity_of(kBaseStep));
    out.add("recipe", kAptRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    auto layer =
        install_system_packages(bench_, below.layers(), app_.directory, app_.apt, kSystemPackagesStep);
    if (apt_leaves(app_.directory, app_.apt, bench_.pool, bench_.stop) != leaves_)
      throw source_changed(kSystemPackagesStep);
    return {{std::move(layer)}, {}};
  }

 private:
  const Workbench& bench_;
  const AppInputs& app_;
  std::vector<FileLeaf> leaves_;
};

}  // namespace

std::unique_ptr<Step> make_system_packages_step(const Workbench& bench, const AppInputs& app) {
  return std::make_unique<SystemPackagesStep>(bench, app);
}

}  // namespace dash::builder
