#include "builder/system/system_layer.hpp"

#include "base/text.hpp"
#include "builder/sandbox/snapshots.hpp"
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
    trees_ = snapshots.layers(layers, bench.stop);
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
                                                 const SystemChange& options) {
  const LowerTrees lower(bench, options.below);
  const auto split = split_changes(
      changes, read_dpkg_packages(changes, options.diversions),
      [&](const std::string& path) { return lower.has(path); }, bench.pool, bench.stop);
  std::vector<LayerItem> items;
  std::vector<PackageFacts> facts;
  std::vector<StepKey> keys;
  for (const auto& package : split.packages) {
    items.push_back({package.id, package.weight});
    facts.push_back({package.name, package.version, {}, package.weight, {}});
    StepInputs inputs;
    inputs.add(concat(package.id, ' ', package.version), package.digest);
    keys.push_back(inputs.key("system package"));
  }
  const auto groups = plan_layers(items, options.limits);
  auto out = make_package_layers(
      bench, {options.step, options.reuse, groups, facts, keys},
      [&](const std::vector<PackageIndices>& missing, const LayerWritten& written) {
        for (std::size_t i = 0; i < missing.size(); ++i) {
          std::unordered_set<std::string_view> paths;
          for (const std::size_t package : missing[i])
            paths.insert(split.packages[package].paths.begin(), split.packages[package].paths.end());
          written(i, write_layer(bench, changes, paths));
        }
      });
  out.push_back(write_layer(bench, changes, {split.rest.begin(), split.rest.end()}));
  return out;
}

}  // namespace dash::builder
