// Wheels that have metadata and nothing else, to tell uv of packages that it need not fetch.
#pragma once

#include <string>
#include <vector>

namespace dash::builder {

struct StandInWheel {
  std::string file_name;
  std::string bytes;
};

// `name` is normalised; `fields` are further lines of its METADATA, "Requires-Python: >=3.8".
StandInWheel stand_in_wheel(const std::string& name, const std::string& version,
                            const std::vector<std::string>& fields = {});

}  // namespace dash::builder
