#include "builder/steps/app_inputs.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/procfile.hpp"

namespace dash::builder {

AppInputs read_app_inputs(const Workbench& bench, const BuildRequest& request) {
  AppDirectory directory(request.app_directory);
  auto detection = detect_buildpack(directory);
  const bool is_conda = detection.buildpack == Buildpack::conda;
  if (is_conda && request.target == BuildRequest::Target::workspace)
    throw Error(ErrorCode::unsupported, kNoCondaWorkspace);
  for (const auto& note : detection.notes) bench.note("", note);
  if (request.target == BuildRequest::Target::deploy) {
    const auto procfile = read_procfile(directory);
    if (procfile.find("web") == nullptr)
      bench.warn(
          "",
          concat("Procfile has no process type 'web', which the image starts unless it is told otherwise; "
                 "the first of its types is '",
                 procfile.entries().front().type, "'"));
  }
  auto runtime = is_conda ? std::nullopt : read_runtime_txt(directory);
  auto conda = is_conda ? std::optional(read_conda_files(directory)) : std::nullopt;
  auto apt = read_apt_files(directory);
  for (const auto& warning : apt.warnings) bench.warn("", warning);
  auto json = read_app_json(directory);
  auto ignore = IgnoreRules::read(directory);
  for (const auto& warning : ignore.warnings()) bench.warn("", warning);
  auto hooks = read_build_hooks(directory, ignore);
  for (const auto& note : hooks.notes) bench.note("", note);
  return {std::move(directory), std::move(detection), runtime,           std::move(conda),
          std::move(apt),       std::move(json),      std::move(ignore), std::move(hooks)};
}

std::string AppInputs::python_requirements() const {
  if (!conda) return detection.file;
  return directory.has_file(kRequirementsFile) ? kRequirementsFile : "";
}

}  // namespace dash::builder
