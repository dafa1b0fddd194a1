// A conda channel with some of the packages of another: directories with packages and a repodata.json
// (CEP 36), as a plain web server serves them.
#pragma once

#include "base/path.hpp"
#include "builder/conda/explicit_lock.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// Where a channel is below a mirror's directory: "conda/conda.example_8080/pkgs/main". Error(invalid_input)
// for URLs that lead out of it.
std::string channel_path(std::string_view channel_url);

// Adds packages of one subdirectory ("linux-64") of a channel, which are in `directory` already; their
// records are those in `repodata`, the text of the channel's own repodata.json. Records of packages that were
// there before stay. Error(not_found) names a package that the channel does not list any more.
void add_to_channel(const fs::path& directory, std::string_view subdir, std::string_view repodata,
                    const std::vector<CondaPackageUrl>& packages);

}  // namespace dash::builder
