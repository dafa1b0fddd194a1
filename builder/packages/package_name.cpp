#include "builder/packages/package_name.hpp"

#include "base/text.hpp"

namespace dash::builder {

std::string normal_package_name(std::string_view name) {
  std::string out;
  bool separator = false;
  for (const char c : to_lower(name)) {
    if (c == '-' || c == '_' || c == '.') {
      separator = true;
      continue;
    }
    if (separator && !out.empty()) out += '-';
    separator = false;
    out += c;
  }
  return out;
}

}  // namespace dash::builder
