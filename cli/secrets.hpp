// `--secret`: what build commands may read and no image keeps.
#pragma once

#include "builder/host.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::cli {

// Reads what the options name: "id=ID,src=FILE" or "id=ID,env=NAME", as docker build takes them ("source="
// and "type=file|env" too). Error(usage) for another form, or an id that is no plain file name or is there
// twice; Error(not_found) for a missing file or variable.
std::vector<builder::Secret> read_secrets(const std::vector<std::string>& options,
                                          const std::map<std::string, std::string>& variables);

}  // namespace dash::cli
