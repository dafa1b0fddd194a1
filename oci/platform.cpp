#include "oci/platform.hpp"

#include "base/text.hpp"

#include <string_view>

namespace dash::oci {

namespace {

std::string_view variant_of(const Platform& platform) {
  if (!platform.variant.empty()) return platform.variant;
  if (platform.architecture == "arm64") return "v8";
  return platform.architecture == "arm" ? "v7" : "";
}

}  // namespace

std::string to_string(const Platform& platform) {
  auto out = concat(platform.os, '/', platform.architecture);
  if (!platform.variant.empty()) out += '/' + platform.variant;
  return out;
}

bool fits(const Platform& has, const Platform& wanted) {
  return has.os == wanted.os && has.architecture == wanted.architecture &&
         (wanted.variant.empty() || variant_of(has) == wanted.variant);
}

}  // namespace dash::oci
