// The Link field (RFC 8288), as registries page through lists with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dash::registry {

// The target of the first link with rel="next" in a field's value; nothing when there is none.
std::optional<std::string> next_link(std::string_view field);

}  // namespace dash::registry
