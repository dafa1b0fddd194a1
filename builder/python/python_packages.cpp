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

bool has_local_project(const RequirementsFiles& requirements) {
  return std::ranges::any_of(requirements.local, [](const LocalSource& source) {
    return source.kind == FileKind::directory && source.use != LocalSource::Use::find_links;
  });
}

ResolveRequest resolve_request(const Workbench& bench, const PythonRequest& request,
                               const BuildContext& context) {
  ResolveRequest out;
  out.step = request.step;
  out.layers = request.layers;
  out.interpreter = context.interpreter;
  out.runtime = request.runtime;
  out.app_directory = request.app_directory;
  if (request.requirements) {
    const RequirementsFiles& requirements = *request.requirements;
    out.requirement_files = {requirements.files.front().path};
    for (const std::string& name : requirements.variables)
      if (const auto found = bench.host.variables.find(name); found != bench.host.variables.end())
        out.variables.insert(*found);
    if (has_local_project(requirements)) out.app = ResolveRequest::App::copy;
    if (!std::ranges::binary_search(requirements.packages, kPip, {}, &RequestedPackage::name))
      out.optional_requirements = {kPip};
    if (!requirements.vcs_places.empty() && context.toolchain)
      out.extra_layers = {context.toolchain(request.layers, toolchain_packages())};
  } else {
    out.app = ResolveRequest::App::copy;
    out.extra_requirements = {kAppDirectory};
    out.optional_requirements = {kPip};
  }
  out.previous_lock = request.previous_lock;
  out.index_strategy = request.index_strategy;
  out.uv = context.uv;
  return out;
}

Lock resolve_requirements(const Workbench& bench, const PythonRequest& request, const BuildContext& context) {
  ResolveRequest out = resolve_request(bench, request, context);
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

// Where requirements name hashes only files with one of them may be used (pip's hash-checking mode).
void apply_hash_pins(Lock& lock, const std::vector<RequestedPackage>& requested) {
  for (const auto& [name, place, hashes] : requested) {
    if (hashes.empty()) continue;
    const auto package = std::ranges::find(lock.packages, name, &LockedPackage::name);
    if (package == lock.packages.end()) continue;
    auto is_unpinned = [&pins = hashes](const LockedFile& file) {
      return !file.sha256 || std::ranges::find(pins, *file.sha256) == pins.end();
    };
    std::erase_if(package->wheels, is_unpinned);
    if (package->sdist && is_unpinned(*package->sdist)) package->sdist.reset();
    const bool bad_archive = package->archive && is_unpinned(*package->archive);
    if (bad_archive || (package->wheels.empty() && !package->sdist && !package->archive))
      throw Error(ErrorCode::corrupt, concat(place, ": no file of ", package->name, ' ', package->version,
                                             " has one of the hashes that the requirement names"))
          .with_hint(
              "The files on the package index are not the ones that were pinned. Check the index, or pin "
              "anew.");
  }
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
  const auto requested =
      request.requirements ? request.requirements->packages : std::vector<RequestedPackage>();
  BuildContext context;
  context.step = request.step;
  context.layers = request.layers;
  context.interpreter =
      request.interpreter ? *request.interpreter : probe_interpreter(bench, request.layers, request.step);
  context.app_directory = request.app_directory;
  context.uv = request.uv;
  context.toolchain = request.toolchain;

  PythonLayerResult result;
  result.interpreter = context.interpreter;
  result.lock = resolve_requirements(bench, request, context);
  apply_hash_pins(result.lock, requested);
  const std::vector<LocalWheel> wheels = collect_wheels(bench, result.lock, context);
  if (std::ranges::find(wheels, LocalWheel::Origin::built, &LocalWheel::origin) != wheels.end())
    result.compiled = PythonLayerResult::Compiled::yes;

  const InstallScheme scheme{kPythonPrefix, context.interpreter};
  const std::vector<InstalledDistribution> distributions = plan_all(bench, wheels, scheme, requested);
  std::vector<Bytecode> bytecode;
  if (request.pyc_files == PythonRequest::PycFiles::compile)
    bytecode = compile_bytecode(bench, request.step, request.layers, scheme, distributions);
  // A runtime archive is an environment by itself.
  const auto skeleton =
      request.runtime.empty() ? EnvironmentLayer::Skeleton::yes : EnvironmentLayer::Skeleton::no;
  result.layers.push_back(
      write_environment_layer(bench, {request.step, scheme, distributions, bytecode, skeleton}));
  for (const InstalledDistribution& distribution : distributions)
    result.packages.push_back({distribution.name, distribution.version});
  bench.log(request.step, concat("Installed ", distributions.size(), " packages"));
  return result;
}

}  // namespace dash::builder
