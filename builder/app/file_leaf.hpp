// A file (or tree) of the app that a step's result depends on, by name and digest.
#pragma once

#include "base/sha256.hpp"

#include <string>

namespace dash::builder {

// `name` is safe to show and stable between builds: a path relative to the app's root.
struct FileLeaf {
  std::string name;
  Sha256 digest{};
  bool operator==(const FileLeaf&) const = default;
};

}  // namespace dash::builder
