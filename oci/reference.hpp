// Names of images: [registry/]repository[:tag][@digest] (distribution-spec "Pulling manifests" grammar).
#pragma once

#include "oci/digest.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace dash::oci {

// A checked name. There is no default registry: `registry` is empty when the first component is not a host.
struct Reference {
  std::string registry;    // "localhost:5000", "registry.example", or empty
  std::string repository;  // "team/app", lower case
  std::string tag;         // empty when absent
  std::optional<Digest> digest;

  // Throws Error(usage) that says which part is wrong and what is allowed.
  static Reference parse(std::string_view text);
  // The same name, with tag "latest" when it has neither tag nor digest.
  Reference with_default_tag() const;
  std::string to_string() const;
};

// "docker://NAME" is NAME in a registry: how containers' tools write it.
inline constexpr std::string_view kRegistryTransport = "docker://";
std::string_view without_transport(std::string_view name);

}  // namespace dash::oci
