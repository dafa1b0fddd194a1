// The layers of a set of packages: those that the store has are taken by digest, the others are written.
#pragma once

#include "builder/packages/package_facts.hpp"
#include "builder/packages/write_layers.hpp"
#include "builder/step_inputs.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace dash::builder {

// Whether layers that the store has are taken; otherwise all are written again.
enum class Reuse { no, yes };

// Completes "…, but downloading and installing the packages needs about".
inline constexpr const char* kInstallPurpose = "downloading and installing the packages";

// Packages that are in one layer, in the order of installation, as indices.
using PackageIndices = std::vector<std::size_t>;

// Writes the layers of these groups and says so for each; the index is that of the group in the argument.
using WriteGroups =
    std::function<void(const std::vector<PackageIndices>& groups, const LayerWritten& written)>;

struct PackageLayers {
  std::string step;
  Reuse reuse = Reuse::yes;
  const std::vector<PackageIndices>& groups;
  const std::vector<PackageFacts>& facts;
  const std::vector<StepKey>& keys;  // of the packages
  // What compiles modules, where the packages' keys do not tell: a part of the keys of layers with byte code.
  std::string compiler = {};
};

// One layer for each group, in their order, with kPackagesAnnotation and kLayerKeyAnnotation. A layer's key
// is made of its packages' keys and the format of layers. Layers that are not known, or all without reuse,
// are written by one call of `write` and recorded one by one as they come.
std::vector<oci::Layer> make_package_layers(const Workbench& bench, const PackageLayers& request,
                                            const WriteGroups& write);

}  // namespace dash::builder
