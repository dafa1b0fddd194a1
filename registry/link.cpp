#include "registry/link.hpp"

#include "base/text.hpp"

namespace dash::registry {

namespace {

// True when the parameters (";rel=next;type=…") name the relation "next".
bool is_next(std::string_view parameters) {
  for (const auto parameter : split(parameters, ';')) {
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos || to_lower(trim(parameter.substr(0, equals))) != "rel") continue;
    auto value = trim(parameter.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    for (const auto relation : split_words(value))
      if (to_lower(relation) == "next") return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> next_link(std::string_view field) {
  for (;;) {
    const auto open = field.find('<');
    const auto close = field.find('>', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
    const auto target = field.substr(open + 1, close - open - 1);
    field.remove_prefix(close + 1);
    const auto parameters = field.substr(0, field.find('<'));  // with a comma at the end when another follows
    const auto end = parameters.find_last_not_of(" \t,");
    if (is_next(parameters.substr(0, end == std::string_view::npos ? 0 : end + 1)))
      return std::string(target);
  }
}

}  // namespace dash::registry
