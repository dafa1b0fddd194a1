// The larger hashes of the SHA-2 family, for checking files that come with one (FIPS 180-4).
#pragma once

#include "base/stream.hpp"

#include <string>
#include <string_view>

namespace dash {

// Lower-case hex digest of what is left in `source`; `algorithm` is "sha256", "sha384" or "sha512",
// everything else is Error(internal).
std::string sha2_hex(std::string_view algorithm, Source& source);

}  // namespace dash
