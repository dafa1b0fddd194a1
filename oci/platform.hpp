// What an image runs on (image-spec image-index.md, "platform").
#pragma once

#include <string>

namespace dash::oci {

// Names follow GOOS/GOARCH ("linux", "amd64").
struct Platform {
  std::string os = "linux";
  std::string architecture = "amd64";
  std::string variant;
  bool operator==(const Platform&) const = default;
};

// "linux/arm/v7".
std::string to_string(const Platform& platform);

// Whether an image for `has` is one for `wanted`. A wanted platform without a variant takes any; an image
// without one has the usual one of its architecture (arm64: v8, arm: v7, as containerd reads it).
bool fits(const Platform& has, const Platform& wanted);

}  // namespace dash::oci
