// What a step depends on, as it is told.
#pragma once

#include <optional>
#include <string>

namespace dash {

// A digest or a short text, and what it was in the last build (nothing: the same, or there was none).
struct StepInput {
  std::string name;
  std::string value;
  std::optional<std::string> before = std::nullopt;
};

}  // namespace dash
