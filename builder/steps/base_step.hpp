// The base image: given by --base, or the embedded default.
#pragma once

#include "builder/step.hpp"
#include "builder/workbench.hpp"

#include <memory>
#include <string>

namespace dash::builder {

// `base` as in BuildRequest. The record's facts hold the base's configuration ("config") and its manifest's
// digest ("digest").
std::unique_ptr<Step> make_base_step(const Workbench& bench, const std::string& base);

}  // namespace dash::builder
