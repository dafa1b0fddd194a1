// What is known of an installed wheel to decide about layers and clashes.
#pragma once

#include "builder/packages/package_facts.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/python/install.hpp"

namespace dash::builder {

// A function of wheel, scheme and options alone. Dependencies are Wheel::dependencies.
PackageFacts package_facts(const InstalledDistribution& distribution, PycFiles pyc_files);

}  // namespace dash::builder
