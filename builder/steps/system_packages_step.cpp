// The system packages: the apt files and dpkg-packages/.
#include "base/text.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/apt.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

class SystemPackagesStep : public Step {
 public:
  SystemPackagesStep(const Workbench& bench, const BuildRequest& request, const AppInputs& app)
      : bench_(bench),
        app_(app),
        installation_(installation(request)),
        leaves_(apt_leaves(app.directory, app.apt, bench.pool, bench.stop)) {}
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
    if (installation_.limits.layers != kSystemPackageLayers)
      out.add("package layers", std::to_string(installation_.limits.layers));
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    auto layers = install_system_packages(bench_, below.layers(), app_.directory, app_.apt, installation_);
    if (apt_leaves(app_.directory, app_.apt, bench_.pool, bench_.stop) != leaves_)
      throw source_changed(kSystemPackagesStep);
    return {std::move(layers), {}};
  }

 private:
  // `--package-layers` is about the Python packages; few of those mean no more of these, and many leave less
  // room for them.
  static SystemInstallation installation(const BuildRequest& request) {
    constexpr std::size_t kTogether = 110;
    SystemInstallation out{kSystemPackagesStep};
    const std::size_t left = kTogether - std::min(request.package_layers, kTogether - 1);
    out.limits.layers = std::min({kSystemPackageLayers, request.package_layers, left});
    if (request.cache == BuildRequest::Cache::ignore) out.reuse = PackageLayers::Reuse::no;
    return out;
  }

  const Workbench& bench_;
  const AppInputs& app_;
  SystemInstallation installation_;
  std::vector<FileLeaf> leaves_;
};

}  // namespace

std::unique_ptr<Step> make_system_packages_step(const Workbench& bench, const BuildRequest& request,
                                                const AppInputs& app) {
  return std::make_unique<SystemPackagesStep>(bench, request, app);
}

}  // namespace dash::builder
