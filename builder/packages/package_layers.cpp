#include "builder/packages/package_layers.hpp"

#include "base/text.hpp"
#include "builder/eviction.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/step_record.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace dash::builder {
namespace {

std::string title(const PackageFacts& package) {
  return concat(package.name, ' ', package.version);
}

bool has_bytecode(const PackageFacts& package) {
  return std::ranges::any_of(package.files, [](const PackageFacts::File& file) {
    return file.kind == PackageFacts::File::Kind::bytecode;
  });
}

StepInputs layer_inputs(const Workbench& bench, const PackageLayers& request, const PackageIndices& group) {
  StepInputs out;
  out.add("compression", bench.compression.identity());
  out.add("times", std::to_string(bench.host.source_date_epoch));
  if (!request.compiler.empty() &&
      std::ranges::any_of(group, [&](std::size_t i) { return has_bytecode(request.facts[i]); }))
    out.add("compiler", request.compiler);
  for (const std::size_t i : group) out.add(title(request.facts[i]), request.keys[i].hex());
  return out;
}

}  // namespace

std::vector<oci::Layer> make_package_layers(const Workbench& bench, const PackageLayers& request,
                                            const WriteGroups& write) {
  const auto& [step, reuse, groups, facts, keys, compiler] = request;
  StepRecords records(bench.store, kLayerRecords);
  std::vector<StepInputs> inputs;
  std::vector<std::optional<oci::Layer>> layers(groups.size());
  std::vector<std::size_t> missing;
  std::vector<PackageIndices> missing_groups;
  DiskSpace space;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    inputs.push_back(layer_inputs(bench, request, groups[i]));
    if (reuse == Reuse::yes)
      if (const auto record = records.find(inputs[i].key("layer")); record && record->layers.size() == 1)
        layers[i] = record->layers.front();
    if (layers[i]) continue;
    missing.push_back(i);
    missing_groups.push_back(groups[i]);
    ++space.inodes;
    for (const std::size_t package : groups[i]) space.bytes += facts[package].weight;
  }
  bench.log(step, concat("Installing ", facts.size(), facts.size() == 1 ? " package in " : " packages in ",
                         groups.size(), groups.size() == 1 ? " layer, " : " layers, ",
                         groups.size() - missing.size(), " of them known"));
  require_room(bench.store, space, kInstallPurpose, bench.stop);
  write(missing_groups, [&](std::size_t index, const oci::Layer& layer) {
    const std::size_t i = missing[index];
    layers[i] = layer;
    records.save(inputs[i].key("layer"), {request.step, inputs[i].leaves(), {layer}, {}, 0});
  });

  std::vector<oci::Layer> out;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::vector<std::string> titles;
    for (const std::size_t package : groups[i]) titles.push_back(title(facts[package]));
    out.push_back(std::move(layers[i].value()));
    out.back().blob.annotations[kPackagesAnnotation] = package_list(std::move(titles));
    out.back().blob.annotations[kLayerKeyAnnotation] = inputs[i].key("layer").hex();
  }
  return out;
}

}  // namespace dash::builder
