// What the two conda steps tell each other.
#pragma once

namespace dash::builder {

// The leaf of conda-runtime that is the installer's name.
inline constexpr const char* kCondaRuntimeLeaf = "conda-runtime";
// Facts of its record. Without the last two the installer was run, and its layer is conda.
inline constexpr const char* kInstallerDigestFact = "installer";
inline constexpr const char* kCondaVersionFact = "conda";
inline constexpr const char* kRuntimePackagesFact = "packages";  // lock_text.hpp

}  // namespace dash::builder
