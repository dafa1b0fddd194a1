// Base64 (RFC 4648 §4), as Basic authentication and credential files have it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dash::registry {

std::string base64_encode(std::string_view bytes);
// Padding may be missing; anything else that is not Base64 gives nothing.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace dash::registry
