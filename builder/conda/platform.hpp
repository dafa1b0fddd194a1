// Names of platforms in channels ("subdirs").
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace dash::builder {

// The one that images are built for.
inline constexpr std::string_view kCondaPlatform = "linux-64";

// Whether packages of this subdir cannot run here. Names that are no platform's are those of directories.
inline bool is_foreign_platform(std::string_view subdir) {
  constexpr std::array<std::string_view, 7> kSystems = {"linux-", "osx-",        "win-", "freebsd-",
                                                        "zos-",   "emscripten-", "wasi-"};
  return subdir != kCondaPlatform &&
         std::ranges::any_of(kSystems, [&](std::string_view system) { return subdir.starts_with(system); });
}

}  // namespace dash::builder
