// The app's source as a layer.
#include "builder/app/source_tree.hpp"
#include "builder/app/stat_cache.hpp"
#include "builder/image_config.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "oci/tree.hpp"

namespace dash::builder {

namespace {

// Part of the step's key: changes when the same source would give another layer.
constexpr const char* kAppRecipe = "app 1";

class AppStep : public Step {
 public:
  AppStep(const Workbench& bench, const AppInputs& app)
      : bench_(bench),
        app_(app),
        tree_(SourceTree::scan(app.directory, app.ignore, bench.stop)),
        digest_(digest(tree_)) {}
  std::string name() const override { return kAppStep; }

  StepInputs inputs(const ImageState&) const override {
    StepInputs out;
    out.add("source", "sha256:" + to_hex(digest_));
    out.add("recipe", kAppRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  DiskSpace space_needed() const override {
    auto out = Step::space_needed();
    out.bytes += tree_.content_bytes();
    return out;
  }

  StepResult run(const ImageState&) override {
    oci::LayerWriter writer(bench_.layer_settings());
    oci::TreeOptions options;
    options.prefix = std::string(kAppDirectory).substr(1);
    options.owner = {kAppUser, kAppUser};
    options.modes = oci::TreeOptions::Modes::source;
    options.hard_links = oci::TreeOptions::HardLinks::copy;
    options.keep = [this](const std::string& path, EntryType type) { return tree_.keep(path, type); };
    oci::add_tree(writer, app_.directory.path(), options, bench_.stop);
    auto layer = writer.finish();
    const auto now = SourceTree::scan(app_.directory, app_.ignore, bench_.stop);
    if (digest(now) != digest_) throw source_changed(kAppStep);
    return {{std::move(layer)}, {}};
  }

 private:
  Sha256 digest(const SourceTree& tree) const {
    const auto& directory = app_.directory.path();
    if (!has_local_clock(directory)) return tree.digest(app_.directory, bench_.pool, bench_.stop);
    StatCache cache(stat_cache_file(bench_.store.records(), directory));
    return tree.digest(app_.directory, bench_.pool, bench_.stop, &cache);
  }

  const Workbench& bench_;
  const AppInputs& app_;
  SourceTree tree_;
  Sha256 digest_;
};

}  // namespace

std::unique_ptr<Step> make_app_step(const Workbench& bench, const AppInputs& app) {
  return std::make_unique<AppStep>(bench, app);
}

}  // namespace dash::builder
