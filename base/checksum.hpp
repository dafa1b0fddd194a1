// Checksums of files that come with one: MD5 (RFC 1321) and the SHA-2 family (FIPS 180-4).
#pragma once

#include "base/stream.hpp"

#include <string>
#include <string_view>

namespace dash {

// Lower-case hex digest of what is left in `source`; `algorithm` is "md5", "sha256", "sha384" or "sha512",
// everything else is Error(internal). MD5 finds damage, no forgery.
std::string checksum_hex(std::string_view algorithm, Source& source);

}  // namespace dash
