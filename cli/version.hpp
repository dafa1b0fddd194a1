// The program's version, set by the build.
#pragma once

namespace dash::cli {
inline constexpr const char* kVersion = DASH_BUILD_VERSION;
}  // namespace dash::cli
