#include "builder/python/python_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/disk_space.hpp"
#include "builder/package_name.hpp"
#include "builder/python/bytecode.hpp"
#include "builder/python/collect_wheels.hpp"
#include "builder/python/environment_layer.hpp"
#include "builder/python/install.hpp"
#include "builder/python/install_order.hpp"
#include "builder/python/probe.hpp"

#include <algorithm>
#include <future>

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

// Plans the installation of wheels as they come, and has their modules compiled meanwhile.
class Installation {
 public:
  Installation(const Workbench& bench, const InstallScheme& scheme,
               const std::vector<RequestedPackage>& requested, std::optional<BytecodeCompiler>& compiler,
               std::size_t count)
      : bench_(bench), scheme_(scheme), requested_(requested), compiler_(compiler), planned_(count) {}
  // The tasks refer to the object.
  ~Installation() {
    for (auto& plan : planned_)
      if (plan.valid()) plan.wait();
  }
  Installation(const Installation&) = delete;
  Installation& operator=(const Installation&) = delete;

  void add(std::size_t index, LocalWheel wheel) {
    planned_[index] = bench_.pool.submit([this, wheel = std::move(wheel)] {
      auto distribution = plan(wheel);
      if (compiler_) compiler_->add(distribution);
      return distribution;
    });
  }

  // All distributions, in the order of installation.
  std::vector<InstalledDistribution> finish() {
    std::vector<InstalledDistribution> planned;
    for (auto& plan : planned_) planned.push_back(plan.get());
    std::vector<InstalledDistribution> out;
    for (const std::size_t i : install_order(planned)) out.push_back(std::move(planned[i]));
    return out;
  }

 private:
  InstalledDistribution plan(const LocalWheel& local) const {
    auto wheel = std::make_shared<const Wheel>(local.path);
    InstallOptions options{scheme_, InstallOptions::Requested::no, local.direct_url};
    if (!local.direct_url.empty() ||
        std::ranges::binary_search(requested_, normal_package_name(wheel->name()), {},
                                   &RequestedPackage::name))
      options.requested = InstallOptions::Requested::yes;
    return plan_installation(std::move(wheel), local.sha256, options);
  }

  const Workbench& bench_;
  const InstallScheme& scheme_;
  const std::vector<RequestedPackage>& requested_;
  std::optional<BytecodeCompiler>& compiler_;
  std::vector<std::future<InstalledDistribution>> planned_;
};

// Each package is kept as it is downloaded, and again in the layer. Sizes that are not known count nothing.
DiskSpace space_for(const Lock& lock) {
  DiskSpace out{0, 2 * lock.packages.size()};
  for (const LockedPackage& package : lock.packages) {
    std::uint64_t smallest = 0;
    for (const LockedFile& wheel : package.wheels)
      if (smallest == 0 || wheel.size.value_or(smallest) < smallest) smallest = wheel.size.value_or(0);
    out.bytes += 2 * smallest;
  }
  return out;
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
  result.lock = resolve_requirements(bench, request, context);
  const bool pip_asked = std::ranges::binary_search(requested, kPip, {}, &RequestedPackage::name);
  context.pins.apply(result.lock, pip_asked ? "" : kPip);
  require_space(bench.store.home(), space_for(result.lock), "downloading and installing the packages");

  const InstallScheme scheme{kPythonPrefix, context.interpreter};
  std::optional<BytecodeCompiler> compiler;
  if (request.pyc_files == PythonRequest::PycFiles::compile)
    compiler.emplace(bench, request.step, request.layers, scheme);
  Installation installation(bench, scheme, requested, compiler, result.lock.packages.size());
  collect_wheels(bench, result.lock, context, [&](std::size_t index, LocalWheel wheel) {
    if (wheel.origin == LocalWheel::Origin::built) result.compiled = PythonLayerResult::Compiled::yes;
    installation.add(index, std::move(wheel));
  });
  const std::vector<InstalledDistribution> distributions = installation.finish();
  std::vector<Bytecode> bytecode;
  if (compiler) bytecode = compiler->finish(distributions);
  // A runtime archive is an environment by itself.
  const auto skeleton =
      request.runtime.empty() ? EnvironmentLayer::Skeleton::yes : EnvironmentLayer::Skeleton::no;
  result.layers.push_back(
      write_environment_layer(bench, {request.step, scheme, distributions, bytecode, skeleton}));
  for (const InstalledDistribution& distribution : distributions)
    result.packages.push_back({distribution.name, distribution.version});
  std::ranges::sort(result.packages, {}, [](const PythonLayerResult::Package& package) {
    return normal_package_name(package.name);
  });
  bench.log(request.step, concat("Installed ", distributions.size(), " packages"));
  return result;
}

}  // namespace dash::builder
