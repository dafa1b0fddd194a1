#include "builder/app/conda_files.hpp"

#include "builder/app/text_file.hpp"

namespace dash::builder {

CondaFiles read_conda_files(const AppDirectory& app) {
  CondaFiles out{read_conda_runtime(app), std::nullopt, {}};
  if (const auto text = read_text(app, kCondaRequirements, Utf16::decode))
    out.requirements = normal_lines(*text);
  if (const auto text = read_text(app, kCondarc, Utf16::decode)) out.condarc = normal_lines(*text);
  return out;
}

}  // namespace dash::builder
