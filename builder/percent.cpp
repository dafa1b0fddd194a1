#include "builder/percent.hpp"

#include "base/text.hpp"

namespace dash::builder {

std::string percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    return static_cast<int>(std::string_view("0123456789abcdef").find(to_lower({&c, 1})[0]));
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string percent_encoded(std::string_view text, std::string_view reserved) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && reserved.find(c) == std::string_view::npos)
      out += c;
    else
      out += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return out;
}

}  // namespace dash::builder
