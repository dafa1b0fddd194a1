// A sandboxed command's change of the file system as layers.
#pragma once

#include "base/path.hpp"
#include "builder/layer_planner.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// `changes` is an overlay upper directory (SandboxResult::changes). System noise is left out; see
// change_filter.hpp.
oci::Layer change_to_layer(const Workbench& bench, const fs::path& changes);

struct PackageLayers {
  std::string step;                      // names it in events and records
  const std::vector<oci::Layer>& below;  // what the command ran over
  std::string_view diversions;           // dpkg's file of that name, after the installation
  LayerLimits limits;                    // without the last layer
  // Whether layers that are recorded are taken instead of written.
  enum class Reuse { no, yes } reuse = Reuse::yes;
};

// The change of an installation of Debian packages, as layers by package (package_split.hpp), lowest first;
// the last one has what belongs to no single package. Stacked they are what change_to_layer would make. The
// bytes of a layer are a function of what its packages brought.
std::vector<oci::Layer> change_to_package_layers(const Workbench& bench, const fs::path& changes,
                                                 const PackageLayers& options);

}  // namespace dash::builder
