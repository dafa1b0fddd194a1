// A package index as plain files (PyPA "Simple repository API", HTML).
#pragma once

#include "base/path.hpp"

namespace dash::builder {

// Writes the pages for all projects below `directory`, whose files are in directory/<project>/: index.html
// there, with the SHA-256 of each file, and one that lists the projects.
void write_simple_index(const fs::path& directory);

}  // namespace dash::builder
