// A conda channel with some of the packages of another: directories with packages and a repodata.json
// (CEP 36), as a plain web server serves them.
#pragma once

#include "base/path.hpp"
#include "builder/conda/solver_answer.hpp"

#include <string>
#include <string_view>

namespace dash::builder {

// Where a channel is below a mirror's directory: "conda/conda.example_8080/pkgs/main". Error(invalid_input)
// for URLs that lead out of it, or are no plain paths.
std::string channel_path(std::string_view channel_url);

// Adds packages of one subdirectory ("linux-64") of a channel, which are in `directory` already, with their
// records. Records of packages that were there before stay.
void add_to_channel(const fs::path& directory, std::string_view subdir, const RepodataRecords& records);

}  // namespace dash::builder
