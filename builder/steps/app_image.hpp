// The image's configuration while it is made: what its commands find and, at the end, what it says.
#pragma once

#include "builder/build.hpp"
#include "builder/step.hpp"
#include "builder/workbench.hpp"
#include "oci/manifest.hpp"

#include <string>

namespace dash::builder {

// A fact of a step's record that is a variable of the image: kVariableFact + name.
inline constexpr const char* kVariableFact = "env:";

// The configuration on top of the base image's, with what `below` and the request add to its environment.
oci::ImageConfig image_config(const Workbench& bench, const BuildRequest& request, const ImageState& below);

// Inputs of a command that may read anything in the image: every step below, and the request's variables.
void add_image(StepInputs& inputs, const BuildRequest& request, const ImageState& below);

}  // namespace dash::builder
