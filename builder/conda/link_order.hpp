// The order in which conda links packages, which decides whose file stays where several packages have it.
#pragma once

#include "builder/packages/arrange_packages.hpp"

#include <vector>

namespace dash::builder {

// conda's order (its PrefixGraph): next comes the package with the fewest of its dependencies not linked yet,
// of several the one whose name sorts first; so circles end too. Python comes before pip, which it depends on
// in some channels. What is no package of the set does not count.
InstallOrder link_order(const std::vector<PackageFacts>& packages);

}  // namespace dash::builder
