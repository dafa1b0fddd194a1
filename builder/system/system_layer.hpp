// A sandboxed command's change of the file system as a layer.
#pragma once

#include "base/path.hpp"
#include "builder/workbench.hpp"

namespace dash::builder {

// `changes` is an overlay upper directory (SandboxResult::changes). System noise is left out; see
// change_filter.hpp.
oci::Layer change_to_layer(const Workbench& bench, const fs::path& changes);

}  // namespace dash::builder
