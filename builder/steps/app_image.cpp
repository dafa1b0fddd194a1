#include "builder/steps/app_image.hpp"

#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/steps/steps.hpp"

namespace dash::builder {

oci::ImageConfig image_config(const Workbench& bench, const BuildRequest& request, const ImageState& below) {
  const auto base =
      oci::ImageConfig::parse(below.facts.at(kBaseStep).at("config"), "configuration of the base image");
  Variables variables;
  if (below.keys.contains(kCondaPackagesStep))
    variables.emplace_back(
        "PATH", concat(kCondaPrefix, "/bin:", base.environment_value("PATH").value_or(kDefaultSearchPath)));
  for (const auto& [step, facts] : below.facts)
    for (const auto& [name, value] : facts)
      if (name.starts_with(kVariableFact))
        variables.emplace_back(name.substr(std::string_view(kVariableFact).size()), value);
  variables.insert(variables.end(), request.environment.begin(), request.environment.end());
  return app_image_config(base, request.name.repository, variables, bench.host.source_date_epoch);
}

void add_image(StepInputs& inputs, const BuildRequest& request, const ImageState& below) {
  for (const auto& part : below.parts) inputs.add(part.step, below.identity_of(part.step));
  // Images of the same layers may have other variables.
  if (const auto base = below.facts.find(kBaseStep);
      base != below.facts.end() && base->second.contains("config"))
    inputs.add_content(
        "variables of the base image",
        join(
            oci::ImageConfig::parse(base->second.at("config"), "configuration of the base image").environment,
            "\n"));
  for (const auto& [name, value] : request.environment) inputs.add_content("--env " + name, value);
}

}  // namespace dash::builder
