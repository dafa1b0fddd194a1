#include "builder/conda/conda_command.hpp"

#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"

namespace dash::builder {

std::vector<std::string> conda_environment() {
  return {concat("PATH=", kCondaPrefix, "/bin:", kDefaultSearchPath), "LANG=C.UTF-8",
          "PYTHONDONTWRITEBYTECODE=1"};
}

}  // namespace dash::builder
