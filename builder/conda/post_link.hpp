// The scripts that conda packages run after they were linked.
#pragma once

#include "builder/packages/package_layers.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct PostLinkScript {
  std::string package;  // its name
  std::string version;
  std::string path;         // of the script, absolute
  std::string record_path;  // of the package's record in conda-meta, absolute
};

// Runs the scripts in their order, in the sandbox over `layers`, as conda does: with bash, and PREFIX,
// PKG_NAME, PKG_VERSION and PKG_BUILDNUM. What they change becomes a layer, which is recorded under what it
// depends on and taken from there with `reuse`. A script that fails is Error(step_failed) naming its package.
oci::Layer run_post_link_scripts(const Workbench& bench, const std::string& step,
                                 const std::vector<oci::Layer>& layers, const std::string& prefix,
                                 const std::vector<PostLinkScript>& scripts, Reuse reuse);

}  // namespace dash::builder
