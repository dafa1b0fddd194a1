#include "cli/quantities.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cctype>

namespace dash::cli {

std::uint64_t parse_size(std::string_view text, std::string_view option) {
  constexpr std::string_view kUnits = "KMGT";
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  std::string_view digits = text;
  if (digits.ends_with("iB")) digits.remove_suffix(2);
  std::uint64_t unit = 1;
  if (const auto at = digits.empty() ? std::string_view::npos
                                     : kUnits.find(static_cast<char>(std::toupper(digits.back())));
      at != std::string_view::npos) {
    digits.remove_suffix(1);
    unit <<= 10 * (at + 1);
  }
  const auto count = parse_uint(digits);
  if (!count || *count == 0 || *count > kMost / unit)
    throw Error(ErrorCode::usage, concat(option, ' ', dash::quoted(text), " is no size"))
        .with_hint("write bytes, or a number with K, M, G or T: 650M, 4000M");
  return *count * unit;
}

std::chrono::seconds parse_duration(std::string_view text, std::string_view option) {
  constexpr std::uint64_t kMost = std::uint64_t{100} * 365 * 24 * 3600;
  std::uint64_t unit = 0;
  switch (text.empty() ? '\0' : text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = std::uint64_t{24} * 3600;
      break;
    default:
      break;
  }
  const auto count = parse_uint(unit == 0 ? text : text.substr(0, text.size() - 1));
  if (!count || (unit == 0 && *count != 0) || *count > kMost / std::max<std::uint64_t>(unit, 1))
    throw Error(ErrorCode::usage, concat(option, ' ', dash::quoted(text), " is no time"))
        .with_hint("write a number with s, m, h or d: 30d, 12h; or 0");
  return std::chrono::seconds(*count * unit);
}

}  // namespace dash::cli
