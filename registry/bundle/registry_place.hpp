// "REGISTRY[/PREFIX]": a registry, or what lies below a part of its names.
#pragma once

#include <string>
#include <string_view>

namespace dash::registry {

struct RegistryPlace {
  std::string registry;
  std::string prefix;  // with '/' at its end, or empty

  // Throws Error(usage).
  static RegistryPlace parse(std::string_view text);
};

}  // namespace dash::registry
