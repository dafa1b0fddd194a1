// What the descriptors of an image's layers say about them (docs/formats/image.md).
#pragma once

#include <string>
#include <vector>

namespace dash::builder {

inline constexpr const char* kStepAnnotation = "io.dash-build.step";
// Packages in the layer, "pandas 2.2.3, pytz 2024.1".
inline constexpr const char* kPackagesAnnotation = "io.dash-build.packages";
// Key of the record of a layer that was made of packages, in hexadecimal.
inline constexpr const char* kLayerKeyAnnotation = "io.dash-build.key";

// The value of kPackagesAnnotation for names with versions, sorted; of a long list the end is left out:
// "a 1, b 2 and 70 more".
std::string package_list(std::vector<std::string> packages);

}  // namespace dash::builder
