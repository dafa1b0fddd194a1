// Some platforms of an index.
#pragma once

#include "registry/image_source.hpp"

#include <string_view>
#include <vector>

namespace dash::registry {

// What stands for the chosen platforms.
struct PlatformChoice {
  // One image: that image, without bytes. Everything in the index: the index. Else an index of the chosen
  // images with their attestations, in the order, with the annotations and all other fields of the source's.
  Document root;
  std::vector<oci::Descriptor> images;
};

// `index` is an index. "linux/arm" chooses all its variants, "linux/arm/v7" one. Error(not_found) for a
// platform that is not there, with those that are; Error(corrupt) for what is no index. `name` says whose it
// is.
PlatformChoice choose_platforms(const Document& index, const std::vector<oci::Platform>& platforms,
                                std::string_view name);

// The images of an index, without attestations and other artifacts.
std::vector<oci::Descriptor> images_of(const Document& index, std::string_view name);

}  // namespace dash::registry
