#include "builder/python/python_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/package_name.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/python/collect_wheels.hpp"
#include "builder/python/environment_layer.hpp"
#include "builder/python/install.hpp"
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
  return out;
}

Lock resolve_requirements(const Workbench& bench, const PythonRequest& request, const BuildContext& context) {
  ResolveRequest out = resolve_request(request, context);
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

std::vector<InstalledDistribution> plan_all(const Workbench& bench, const std::vector<LocalWheel>& wheels,
                                            const InstallScheme& scheme,
                                            const std::vector<RequestedPackage>& requested) {
  std::vector<InstalledDistribution> out(wheels.size());
  bench.pool.for_each(wheels.size(), [&](std::size_t i) {
    const LocalWheel& local = wheels[i];
    auto wheel = std::make_shared<const Wheel>(local.path);
    InstallOptions options{scheme, InstallOptions::Requested::no, local.direct_url};
    if (!local.direct_url.empty() || std::ranges::binary_search(requested, normal_package_name(wheel->name()),
                                                                {}, &RequestedPackage::name))
      options.requested = InstallOptions::Requested::yes;
    out[i] = plan_installation(std::move(wheel), local.sha256, options);
  });
  return out;
}

}  // namespace

PythonLayerResult install_python_packages(const Workbench& bench, const PythonRequest& request) {
  const auto& requested = request.requirements.packages;
  BuildContext context;
  context.step = request.step;
  context.layers = request.layers;
  context.interpreter = probe_interpreter(bench, request.layers, request.step);
  context.app_directory = request.app_directory;
  context.ignore = request.ignore;
  context.uv = request.uv;
  context.toolchain = request.toolchain;
  context.settings = uv_settings(bench.host, request.requirements, request.app_directory);
  context.pins = hash_pins(request.requirements, context.settings);
  context.repositories = request.requirements.repositories;

  PythonLayerResult result;
  result.interpreter = context.interpreter;
  result.lock = resolve_requirements(bench, request, context);
  const bool pip_asked = std::ranges::binary_search(requested, kPip, {}, &RequestedPackage::name);
  context.pins.apply(result.lock, pip_asked ? "" : kPip);
  const std::vector<LocalWheel> wheels = collect_wheels(bench, result.lock, context);
  if (std::ranges::find(wheels, LocalWheel::Origin::built, &LocalWheel::origin) != wheels.end())
    result.compiled = PythonLayerResult::Compiled::yes;

  const InstallScheme scheme{kPythonPrefix, context.interpreter};
  const std::vector<InstalledDistribution> distributions = plan_all(bench, wheels, scheme, requested);
  std::vector<Bytecode> bytecode;
  if (request.pyc_files == PythonRequest::PycFiles::compile)
    bytecode = compile_bytecode(bench, request.step, request.layers, scheme, distributions);
  result.layers.push_back(write_environment_layer(
      bench, {request.step, scheme, distributions, bytecode, EnvironmentLayer::Skeleton::yes}));
  for (const InstalledDistribution& distribution : distributions)
    result.packages.push_back({distribution.name, distribution.version});
  bench.log(request.step, concat("Installed ", distributions.size(), " packages"));
  return result;
}

}  // namespace dash::builder
