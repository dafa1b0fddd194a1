#include "builder/system/system_layer.hpp"

#include "base/text.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/sandbox/snapshots.hpp"
#include "builder/step_record.hpp"
#include "builder/system/change_filter.hpp"
#include "builder/system/package_split.hpp"
#include "oci/layer_writer.hpp"
#include "oci/tree.hpp"

#include <algorithm>
#include <functional>
#include <unordered_set>

namespace dash::builder {
namespace {

oci::Layer write_layer(const Workbench& bench, const fs::path& changes,
                       std::function<bool(const std::string& path)> has) {
  oci::TreeOptions options;
  options.kind = oci::TreeOptions::Kind::overlay_upper;
  options.keep = [has = std::move(has)](const std::string& path, EntryType) { return has(path); };
  oci::LayerWriter writer(bench.layer_settings());
  oci::add_tree(writer, changes, options, bench.stop);
  return writer.finish();
}

oci::Layer write_layer(const Workbench& bench, const fs::path& changes,
                       const std::unordered_set<std::string_view>& paths) {
  return write_layer(bench, changes, [&paths](const std::string& path) { return paths.contains(path); });
}

// Trees of the layers that a command ran over; a path that one of them has counts, also when another layer
// hides it.
class LowerTrees {
 public:
  LowerTrees(const Workbench& bench, const std::vector<oci::Layer>& layers) {
    Snapshots snapshots(bench.store.snapshots(), bench.store.layers());
    for (const auto& layer : layers) trees_.push_back(snapshots.layer(layer, bench.stop));
  }
  bool has(const std::string& path) const {
    return std::ranges::any_of(trees_, [&](const fs::path& tree) { return has(tree, path); });
  }

 private:
  // Through no symbolic link: it would be one of this machine's.
  static bool has(const fs::path& tree, const std::string& path) {
    boost::system::error_code absent;
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      if (!fs::is_directory(fs::symlink_status(tree / path.substr(0, slash), absent))) return false;
    return fs::exists(fs::symlink_status(tree / path, absent));
  }

  std::vector<fs::path> trees_;
};

}  // namespace

oci::Layer change_to_layer(const Workbench& bench, const fs::path& changes) {
  return write_layer(bench, changes, [](const std::string& path) { return !is_system_noise(path); });
}

std::vector<oci::Layer> change_to_package_layers(const Workbench& bench, const fs::path& changes,
                                                 const PackageLayers& options) {
  const LowerTrees lower(bench, options.below);
  const auto split = split_changes(
      changes, read_dpkg_packages(changes, options.diversions),
      [&](const std::string& path) { return lower.has(path); }, bench.pool, bench.stop);
  std::vector<LayerItem> items;
  for (const auto& package : split.packages) items.push_back({package.id, package.weight});

  StepRecords records(bench.store, kLayerRecords);
  std::vector<oci::Layer> out;
  std::size_t known = 0;
  for (const auto& group : plan_layers(items, options.limits)) {
    StepInputs inputs;
    inputs.add("compression", bench.compression.identity());
    inputs.add("times", std::to_string(bench.host.source_date_epoch));
    std::vector<std::string> titles;
    std::unordered_set<std::string_view> paths;
    for (const std::size_t i : group) {
      const auto& package = split.packages[i];
      titles.push_back(package.title);
      inputs.add(concat(package.id, ' ', package.version), package.digest);
      paths.insert(package.paths.begin(), package.paths.end());
    }
    const auto key = inputs.key("system layer");
    const auto record =
        options.reuse == PackageLayers::Reuse::yes ? records.find(key) : std::optional<StepRecord>();
    if (record && record->layers.size() == 1) {
      out.push_back(record->layers.front());
      ++known;
    } else {
      out.push_back(write_layer(bench, changes, paths));
      records.save(key, {options.step, inputs.leaves(), {out.back()}, {}, 0});
    }
    out.back().blob.annotations[kPackagesAnnotation] = package_list(std::move(titles));
    out.back().blob.annotations[kLayerKeyAnnotation] = key.hex();
  }
  out.push_back(write_layer(bench, changes, {split.rest.begin(), split.rest.end()}));
  if (!items.empty())
    bench.log(options.step,
              concat(items.size(), items.size() == 1 ? " package in " : " packages in ", out.size() - 1,
                     out.size() == 2 ? " layer, " : " layers, ", known, " of them known"));
  return out;
}

}  // namespace dash::builder
