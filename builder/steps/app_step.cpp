// The app's source as a layer.
#include "base/text.hpp"
#include "builder/app/source_tree.hpp"
#include "builder/app/stat_cache.hpp"
#include "builder/image_config.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "oci/tree.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

// Part of the step's key: changes when the same source would give another layer.
constexpr const char* kAppRecipe = "app 2";
constexpr std::size_t kShownDigest = 12;        // hexadecimal digits
constexpr std::size_t kShownBytes = 16 * 1024;  // some 300 files

class AppStep : public Step {
 public:
  AppStep(const Workbench& bench, const AppInputs& app)
      : bench_(bench),
        app_(app),
        tree_(SourceTree::scan(app.directory, app.ignore, bench.stop)),
        digests_(digests(tree_)) {}
  std::string name() const override { return kAppStep; }

  StepInputs inputs(const ImageState&) const override {
    StepInputs out;
    out.add(kSourceLeaf, "sha256:" + to_hex(digests_.tree));
    if (auto files = shown_files(); !files.empty()) out.show(kSourceLeaf, std::move(files));
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
    if (digests(now).tree != digests_.tree) throw source_changed(kAppStep);
    return {{std::move(layer)}, {}};
  }

 private:
  TreeDigests digests(const SourceTree& tree) const {
    const auto& directory = app_.directory.path();
    if (!has_local_clock(directory)) return tree.digests(app_.directory, bench_.pool, bench_.stop, nullptr);
    StatCache cache(stat_cache_file(bench_.store.records(), directory));
    return tree.digests(app_.directory, bench_.pool, bench_.stop, &cache);
  }

  // So that a reason can name what changed. Nothing for large apps: images carry this.
  std::vector<std::string> shown_files() const {
    std::vector<std::string> out;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < tree_.entries().size(); ++i) {
      const auto& entry = tree_.entries()[i];
      const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
      if (!is_utf8(entry.path) || std::ranges::any_of(entry.path, is_control)) return {};
      if (entry.type == EntryType::directory) continue;
      auto content = entry.type == EntryType::symlink ? sha256(entry.link_target) : digests_.contents[i];
      out.push_back(
          concat(entry.path, '\t', to_hex(content).substr(0, kShownDigest), entry.executable ? "x" : ""));
      bytes += out.back().size();
      if (bytes > kShownBytes) return {};
    }
    return out;
  }

  const Workbench& bench_;
  const AppInputs& app_;
  SourceTree tree_;
  TreeDigests digests_;
};

}  // namespace

std::unique_ptr<Step> make_app_step(const Workbench& bench, const AppInputs& app) {
  return std::make_unique<AppStep>(bench, app);
}

}  // namespace dash::builder
