// A file (or tree) of the app that a step's result depends on, by name and digest.
#pragma once

#include "base/sha256.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// `name` is safe to show and stable between builds: a path relative to the app's root.
struct FileLeaf {
  std::string name;
  Sha256 digest{};
  // The lines that count, as far as they may be shown (shown_lines); nothing for what is no list of lines.
  std::optional<std::vector<std::string>> lines = std::nullopt;
  bool operator==(const FileLeaf&) const = default;
};

}  // namespace dash::builder
