// The order in which pip installs, which decides whose file stays where several distributions have it.
#pragma once

#include "builder/python/package_facts.hpp"

#include <cstddef>
#include <vector>

namespace dash::builder {

// Indices of the packages in pip's order (get_installation_order of its resolver): what requires none of
// the others first, then what requires only those, and so on; at the same depth from the last normalised name
// to the first. What is left in circles comes last, in that order of names too. Extras and markers of
// requirements are not looked at: what is not installed does not count.
std::vector<std::size_t> install_order(const std::vector<PackageFacts>& packages);

}  // namespace dash::builder
