// The modules of a wheel for the compiler.
#pragma once

#include "builder/python/bytecode.hpp"
#include "builder/python/install.hpp"

namespace dash::builder {

// The compiler for distributions in an environment whose interpreter is in `layers`; their wheels must be in
// their places in the store.
CompilerSettings compiler_settings(const Workbench& bench, std::vector<oci::Layer> layers,
                                   const InstallScheme& scheme);
std::string bytecode_key(const InstalledDistribution& distribution, const InstallScheme& scheme);
CompileRequest compile_request(const InstalledDistribution& distribution, const InstallScheme& scheme);

}  // namespace dash::builder
