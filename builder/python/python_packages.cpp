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
#include <future>

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

  // All distributions, in the order of the lock.
  std::vector<InstalledDistribution> finish() {
    std::vector<InstalledDistribution> out;
    for (auto& plan : planned_) out.push_back(plan.get());
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
  bench.log(request.step, concat("Installed ", distributions.size(), " packages"));
  return result;
}

}  // namespace dash::builder
