// Wheels that say nothing but a name and a version, for asking uv whether a requirement is met.
#pragma once

#include <string>

namespace dash::builder {

struct StandInWheel {
  std::string file_name;
  std::string bytes;
};

// `name` is normalised; `requires_python` may be empty.
StandInWheel stand_in_wheel(const std::string& name, const std::string& version,
                            const std::string& requires_python);

}  // namespace dash::builder
