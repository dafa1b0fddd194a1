#include "registry/bundle/registry_place.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"

namespace dash::registry {

RegistryPlace RegistryPlace::parse(std::string_view text) {
  text = oci::without_transport(text);
  const auto slash = text.find('/');
  RegistryPlace out{std::string(text.substr(0, slash)),
                    slash == std::string_view::npos ? std::string() : std::string(text.substr(slash + 1))};
  if (!out.prefix.empty() && !out.prefix.ends_with('/')) out.prefix += '/';
  if (oci::Reference::parse(concat(out.registry, '/', out.prefix, "x")).registry.empty())
    throw Error(ErrorCode::usage, concat(dash::quoted(text), " names no registry"))
        .with_hint("a registry has a dot or a port in its name: REGISTRY[:PORT][/PREFIX]");
  return out;
}

}  // namespace dash::registry
