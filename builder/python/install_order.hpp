// The order in which pip installs, which decides whose file stays where several distributions have it.
#pragma once

#include "builder/packages/arrange_packages.hpp"

#include <vector>

namespace dash::builder {

// The packages in pip's order, by their normalised names (get_installation_order of its resolver): what
// requires none of the others first, then what requires only those, and so on; at the same depth from the
// last normalised name to the first. What is left in circles comes last, in that order of names too. Extras
// and markers of requirements are not looked at: what is not installed does not count.
InstallOrder install_order(const std::vector<PackageFacts>& packages);

}  // namespace dash::builder
