#include "builder/python/python_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/python/collect_wheels.hpp"
#include "builder/python/probe.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kPip = "pip";

ResolveRequest resolve_request(const PythonRequest& request, const BuildContext& context) {
  ResolveRequest out;
  out.step = request.step;
  out.layers = request.layers;
  out.interpreter = context.interpreter;
  out.runtime = request.runtime;
  out.app_directory = request.app_directory;
  out.ignore = request.ignore;
  out.requirements = request.requirements;
  out.settings = context.settings;
  if (!std::ranges::binary_search(request.requirements.packages, kPip, {}, &RequestedPackage::name))
    out.optional_requirements = {kPip};
  if (!request.requirements.vcs_places.empty() && context.toolchain)
    out.extra_layers = {context.toolchain(request.layers, toolchain_packages())};
  out.previous_lock = request.previous_lock;
  out.index_strategy = request.index_strategy;
  out.uv = context.uv;
  if (request.environment == PythonRequest::Environment::conda)
    out.sources = ResolveRequest::Sources::layered;
  return out;
}

Lock resolve_requirements(const Workbench& bench, const PythonRequest& request, const BuildContext& context,
                          const ProvidedPackages& provided, const fs::path& provided_wheels) {
  ResolveRequest out = resolve_request(request, context);
  if (!provided.packages.empty()) {
    out.find_links = provided_wheels;
    if (out.previous_lock.empty()) out.previous_lock = preferences_lock(provided);
  }
  try {
    return resolve(bench, out);
  } catch (const Error& error) {
    // Some projects compile something before they say what they need.
    if (error.code() != ErrorCode::step_failed || !out.extra_layers.empty() || !context.toolchain) throw;
    bench.log(request.step, "Resolving again with a compiler");
    out.extra_layers = {context.toolchain(request.layers, toolchain_packages())};
    return resolve(bench, out);
  }
}

HashPins hash_pins(const RequirementsFiles& requirements, const UvSettings& settings) {
  auto lines = requirements.lines;
  lines.insert(lines.end(), settings.constraints.begin(), settings.constraints.end());
  return {lines, requirements.hashes_place.empty() ? settings.hashes_place : requirements.hashes_place};
}

}  // namespace

PythonLayerResult install_python_packages(const Workbench& bench, const PythonRequest& request) {
  const auto& requested = request.requirements.packages;
  BuildContext context;
  context.step = request.step;
  context.layers = request.layers;
  context.interpreter =
      request.interpreter ? *request.interpreter : probe_interpreter(bench, request.layers, request.step);
  context.app_directory = request.app_directory;
  context.ignore = request.ignore;
  context.uv = request.uv;
  context.toolchain = request.toolchain;
  context.settings = uv_settings(bench.host, request.requirements, request.app_directory);
  context.pins = hash_pins(request.requirements, context.settings);
  context.repositories = request.requirements.repositories;

  context.versions_with_wheel = [&](const std::string& name) {
    return versions_with_wheel(bench, resolve_request(request, context), name);
  };

  PythonLayerResult result;
  result.interpreter = context.interpreter;
  const TempDirectory provided_wheels(bench.store.work());
  ProvidedPackages provided;
  if (request.environment == PythonRequest::Environment::conda)
    provided = find_provided_packages(bench, request.layers, context.interpreter, provided_wheels.path(),
                                      request.step);
  result.lock = resolve_requirements(bench, request, context, provided, provided_wheels.path());
  if (!provided.packages.empty())
    result.lock = Lock::parse(without_provided(result.lock.text, provided), kResolveDirectory);
  const bool pip_asked = std::ranges::binary_search(requested, kPip, {}, &RequestedPackage::name);
  context.pins.apply(result.lock, pip_asked ? "" : kPip);

  WheelCollector wheels(bench, result.lock, context);
  for (std::size_t i = 0; i < result.lock.packages.size(); ++i)
    if (wheels.is_built(i)) result.compiled = PythonLayerResult::Compiled::yes;
  PackageInstallation installation{.step = request.step,
                                   .root = request.layers,
                                   .scheme = {request.prefix, context.interpreter},
                                   .requested = requested,
                                   .pyc_files = request.pyc_files,
                                   .limits = request.layer_limits,
                                   .reuse = request.reuse};
  // A runtime archive is an environment by itself, and so is conda's.
  if (!request.runtime.empty() || request.environment == PythonRequest::Environment::conda)
    installation.environment = PackageInstallation::Environment::none;
  auto installed = install_packages(bench, result.lock, wheels, installation);
  std::vector<std::string> names;
  for (const auto& package : installed.packages) names.push_back(normal_package_name(package.name));
  if (auto removal = remove_provided(bench, provided, context.interpreter, names, request.prefix))
    result.layers.push_back(std::move(*removal));
  result.layers.insert(result.layers.end(), installed.layers.begin(), installed.layers.end());
  result.packages = std::move(installed.packages);
  return result;
}

}  // namespace dash::builder
