// The release of uv that resolves and builds: the only place that names its version and hashes.
#pragma once

#include <string_view>

namespace dash::builder {

struct UvWheel {
  std::string_view machine;  // as HostSettings::machine
  std::string_view sha256;   // of the wheel that the package index serves for it
};

inline constexpr std::string_view kUvVersion = "0.13.9";

inline constexpr UvWheel kUvWheels[] = {
    {"x86_64", "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19"},
    {"aarch64", "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375"},
};

}  // namespace dash::builder
