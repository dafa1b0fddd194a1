// `build --push`: a finished image to registries.
#pragma once

#include "base/event.hpp"
#include "builder/host.hpp"
#include "cli/options.hpp"
#include "oci/image_layout.hpp"
#include "oci/reference.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace dash::cli {

// Checked before the build, so that a wrong name does not cost one.
std::vector<oci::Reference> parse_push_targets(const std::vector<std::string>& texts);

// Sends the image to each of them; blobs that go to one registry twice are mounted there.
void push_built_image(const oci::ImageLayout& from, const oci::Descriptor& image,
                      const std::vector<oci::Reference>& targets, const CommonOptions& common,
                      const builder::HostSettings& host, EventSink& events, const std::stop_token& stop);

}  // namespace dash::cli
