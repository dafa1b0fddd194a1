#include "builder/python/python_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/python/check_lock.hpp"
#include "builder/python/collect_wheels.hpp"
#include "builder/python/lock_secrets.hpp"
#include "builder/python/probe.hpp"
#include "builder/python/provided_packages.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kPip = "pip";

// Whether uv may have to build something to learn what it requires.
enum class Sources { built, locked };

ResolveRequest resolve_request(const PythonRequest& request, const BuildContext& context,
                               Sources sources = Sources::built) {
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
  if (sources == Sources::built && !request.requirements.vcs_places.empty() && context.toolchain)
    out.extra_layers = {context.toolchain(request.layers, toolchain_packages())};
  out.previous_lock = request.previous_lock;
  out.upgrade = request.upgrade;
  out.index_strategy = request.index_strategy;
  out.uv = context.uv;
  if (request.environment == PythonRequest::Environment::conda)
    out.sources = ResolveRequest::Sources::layered;
  return out;
}

Lock resolve_requirements(const Workbench& bench, const PythonRequest& request, const BuildContext& context,
                          const std::optional<ProvidedPackages>& provided) {
  ResolveRequest out = resolve_request(request, context);
  if (provided) provided->offer(out);
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

Lock given_lock(const Workbench& bench, const PythonRequest& request, const BuildContext& context,
                const std::optional<ProvidedPackages>& provided) {
  auto lock = Lock::parse_given(request.locked, kAppDirectory, request.locked_place);
  auto question = resolve_request(request, context, Sources::locked);
  if (provided) provided->offer(question);
  question.installed_wheels.clear();
  check_lock(bench, question, lock, request.locked_place);
  return lock;
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
  const LockSecrets secrets(request.requirements, context.settings, bench.host.variables);
  std::optional<ProvidedPackages> provided;
  if (request.environment == PythonRequest::Environment::conda)
    provided.emplace(bench, request.layers, context.interpreter, request.step);
  result.lock = request.locked.empty() ? resolve_requirements(bench, request, context, provided)
                                       : given_lock(bench, request, context, provided);
  if (provided && request.locked.empty()) provided->remove_from(result.lock);
  result.lock.text = secrets.hide(result.lock.text);
  secrets.reveal(result.lock);
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
  if (provided)
    if (auto hidden = provided->hide(bench, result.lock)) result.layers.push_back(std::move(*hidden));
  auto installed = install_packages(bench, result.lock, wheels, installation);
  result.layers.insert(result.layers.end(), installed.layers.begin(), installed.layers.end());
  result.packages = std::move(installed.packages);
  return result;
}

}  // namespace dash::builder
