// Percent-encoded texts (RFC 3986, section 2.1).
#pragma once

#include <string>
#include <string_view>

namespace dash::builder {

// The text with every "%XX" as the byte it stands for; other "%" stay.
std::string percent_decoded(std::string_view text);

// Blanks, control characters and the bytes in `reserved` as "%XX".
std::string percent_encoded(std::string_view text, std::string_view reserved);

}  // namespace dash::builder
