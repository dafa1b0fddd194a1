// The Python packages: requirements.txt, or the project in the app's root.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/requirements.hpp"
#include "builder/app/stat_cache.hpp"
#include "builder/find_lock.hpp"
#include "builder/image_config.hpp"
#include "builder/python/lock_secrets.hpp"
#include "builder/python/probe.hpp"
#include "builder/python/python_packages.hpp"
#include "builder/python/uv_release.hpp"
#include "builder/python/uv_run.hpp"
#include "builder/python/uv_tool.hpp"
#include "builder/sandbox/snapshots.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/apt.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

constexpr const char* kInterpreterLeaf = "interpreter";

class PythonPackagesStep : public Step {
 public:
  PythonPackagesStep(const Workbench& bench, const BuildRequest& request, const AppInputs& app)
      : bench_(bench),
        request_(request),
        app_(app),
        uv_(bench, request.uv_program, kPythonPackagesStep),
        requirements_(read_requirements()),
        settings_(uv_settings(bench.host, requirements_, app.directory.path())),
        leaves_(input_leaves()),
        locked_(LockSecrets(requirements_, settings_, bench.host.variables).hide(request.locked)) {
    for (const auto* warnings : {&requirements_.warnings, &settings_.warnings})
      for (const auto& warning : *warnings) bench_.warn(kPythonPackagesStep, warning);
    for (const auto& name : requirements_.variables)
      if (!bench_.host.variables.contains(name))
        bench_.warn(kPythonPackagesStep,
                    concat("the requirements name ${", name, "}, which is not set; the text stays as it is"));
  }
  std::string name() const override { return kPythonPackagesStep; }

  void work_ahead() override { uv_.fetch_ahead(); }

  void prepare(const ImageState& below) override {
    interpreter_ =
        probe_interpreter(bench_, system_layers(below), kPythonPackagesStep, interpreter_program(below));
  }

  StepInputs inputs(const ImageState& below) const override {
    const auto interpreter =
        interpreter_ ? interpreter_
                     : known_interpreter(bench_.store, system_layers(below), interpreter_program(below));
    if (interpreter && !has_runtime(below)) check_runtime(*interpreter);
    StepInputs out;
    add_files(out, leaves_);
    // Directories that they name are like remote indexes: what is in them is no input.
    for (const auto& [name, value] : settings_.environment)
      if (decides_packages(name)) out.add_content(name, without_credentials(value));
    for (const auto& option : settings_.options) out.add("option", option);
    for (const auto* arguments : {&settings_.arguments, &settings_.compile_arguments})
      for (const auto& argument : *arguments) out.add("option", argument);
    for (const auto& line : settings_.constraints) out.add_content(line.place, line.text);
    if (!settings_.hashes_place.empty()) out.add("hashes", settings_.hashes_place);
    add_variables(out);
    out.add(kInterpreterLeaf, interpreter ? interpreter->identity() : assumed_interpreter());
    for (const auto* step : {kPythonRuntimeStep, kCondaPackagesStep, kPreCompileStep})
      if (below.keys.contains(step)) out.add(step, below.identity_of(step));
    out.add("prefix", is_conda() ? kCondaPrefix : kPythonPrefix);
    // What is so unless it is asked for otherwise is no input: old records stay good.
    if (request_.index_strategy != IndexStrategy::first_index) out.add("index strategy", "unsafe-best-match");
    if (request_.pyc_files == PycFiles::omit) out.add("bytecode", "omitted");
    if (request_.package_layers != LayerLimits().layers)
      out.add("package layers", std::to_string(request_.package_layers));
    out.add("uv", uv_identity());
    out.add("recipe", kPythonRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  // Only what was compiled depends on the system packages.
  std::string variant(const ImageState& below) const override {
    return concat(below.identity_of(kBaseStep), ' ', below.identity_of(kSystemPackagesStep));
  }

  // A lock is no input: whether it was given or found, the same packages are the same result.
  std::optional<std::string> unwanted(const StepRecord& record) const override {
    const auto lock = record.facts.find(kLockFact);
    if (!locked_.empty() && (lock == record.facts.end() || lock->second != locked_))
      return "another lock is given";
    if (request_.upgrade.all == Upgrade::All::yes) return "--upgrade";
    if (request_.upgrade.any()) return concat("--upgrade-package ", join(request_.upgrade.packages, ", "));
    return std::nullopt;
  }

  std::map<std::string, std::string> facts_of(const ImageState& below) const override {
    return {
        {kInterpreterFact, interpreter_fact(bench_.store, system_layers(below), interpreter_program(below))}};
  }

  StepResult run(const ImageState& below) override {
    check_reach();
    PythonRequest request;
    request.step = kPythonPackagesStep;
    request.layers = below.layers();
    request.app_directory = app_.directory.path();
    request.ignore = app_.ignore;
    request.requirements = requirements_;
    request.uv = uv_.program();
    request.index_strategy = request_.index_strategy;
    request.pyc_files = request_.pyc_files;
    request.layer_limits.layers = request_.package_layers;
    if (request_.cache == BuildRequest::Cache::ignore) request.reuse = Reuse::no;
    request.interpreter = interpreter_;
    request.locked = locked_;
    request.locked_place = request_.locked_place;
    request.upgrade = request_.upgrade;
    request.previous_lock = find_lock(bench_.store, request_.name).value_or("");
    Snapshots snapshots(bench_.store.snapshots(), bench_.store.layers());
    if (has_runtime(below)) request.runtime = runtime_tree(below, snapshots);
    if (is_conda()) {
      request.prefix = kCondaPrefix;
      request.environment = PythonRequest::Environment::conda;
    }
    request.toolchain = [this, &snapshots, layers = system_layers(below)](
                            const std::vector<oci::Layer>&, const std::vector<std::string>& packages) {
      return install_toolchain(bench_, snapshots, layers, packages, kPythonPackagesStep);
    };
    auto result = install_python_packages(bench_, request);
    if (input_leaves() != leaves_) throw source_changed(kPythonPackagesStep);
    warn_about_upgrades(result.lock);
    StepResult out{std::move(result.layers), {{kLockFact, result.lock.text}}};
    if (result.compiled == PythonLayerResult::Compiled::yes) out.facts[kVariantFact] = variant(below);
    return out;
  }

 private:
  // Without an index of its own a machine would ask the public one.
  void check_reach() const {
    const auto& arguments = settings_.arguments;
    if (!bench_.airgapped || settings_.environment.contains("UV_DEFAULT_INDEX") ||
        std::ranges::find(arguments, "--no-index") != arguments.end())
      return;
    throw Error(ErrorCode::unavailable,
                "no package index is configured, and builds on this machine are airgapped")
        .with_hint(
            "Set PIP_INDEX_URL, or index-url in pip.conf, to the mirror's index; 'dash-build mirror "
            "packages' "
            "makes one.");
  }

  RequirementsFiles read_requirements() const {
    const auto file = app_.python_requirements();
    if (file != kRequirementsFile) return collect_project(file);
    return collect_requirements(app_.directory, file, bench_.host.variables);
  }

  void warn_about_upgrades(const Lock& lock) const {
    for (const auto& name : request_.upgrade.packages)
      if (!std::ranges::binary_search(lock.packages, name, {}, &LockedPackage::name))
        bench_.warn(kPythonPackagesStep, concat("--upgrade-package ", name, ": nothing requires ", name));
  }

  // How patiently or from which cache files are fetched makes no difference to them.
  static bool decides_packages(std::string_view setting) {
    for (const std::string_view other :
         {"TIMEOUT", "RETRIES", "CONCURRENT", "CACHE", "PROGRESS", "PASSWORD", "USERNAME"})
      if (contains(setting, other)) return false;
    return true;
  }

  std::string uv_identity() const {
    if (request_.uv_program.empty()) return std::string(kUvVersion);
    const auto memory = stat_cache_file(bench_.store.records(), request_.uv_program);
    return concat("sha256:", to_hex(known_digest(request_.uv_program, memory)));
  }

  // Only the variables that a requirements file names count, by digest.
  void add_variables(StepInputs& inputs) const {
    for (const auto& name : requirements_.variables) {
      if (!counts(concat("${", name, "}"))) continue;
      const auto found = bench_.host.variables.find(name);
      inputs.add_content(concat("${", name, "}"), found == bench_.host.variables.end() ? "" : found->second);
    }
  }

  // Who fetches makes no difference to what comes, and images carry what their keys are made of: digests of
  // passwords, which could be guessed, are not for them.
  bool counts(const std::string& variable) const {
    const auto is_in = [&](const std::string& text) { return contains(without_credentials(text), variable); };
    const auto& index = requirements_.index;
    return is_in(index.index_url) || std::ranges::any_of(index.extra_index_urls, is_in) ||
           std::ranges::any_of(index.find_links, is_in) ||
           std::ranges::any_of(requirements_.lines, is_in, &RequirementLine::text);
  }

  // The requirements files and what they reach.
  std::vector<FileLeaf> input_leaves() const {
    return requirements_leaves(app_.directory, requirements_, app_.ignore, bench_.pool, bench_.stop);
  }

  static bool has_runtime(const ImageState& below) { return below.keys.contains(kPythonRuntimeStep); }
  bool is_conda() const { return app_.conda.has_value(); }
  std::string interpreter_program(const ImageState& below) const {
    if (is_conda()) return concat(kCondaPrefix, "/bin/python");
    return has_runtime(below) ? kRuntimeProgram : kImageProgram;
  }

  // The image without the app's source, which interpreter and toolchain do not depend on.
  static std::vector<oci::Layer> system_layers(const ImageState& below) {
    std::vector<oci::Layer> out;
    for (const auto& part : below.parts)
      if (part.step != kAppStep && part.step != kPreCompileStep)
        out.insert(out.end(), part.layers.begin(), part.layers.end());
    return out;
  }

  // The unpacked interpreter; its first layer is all of it but bytecode.
  fs::path runtime_tree(const ImageState& below, Snapshots& snapshots) const {
    const auto part = std::ranges::find(below.parts, kPythonRuntimeStep, &ImageState::Part::step);
    return snapshots.layer(part->layers.front(), bench_.stop) / fs::path(kPythonPrefix).relative_path();
  }

  // Before the steps below are there, a plan assumes that the interpreter is the one of the last build.
  std::string assumed_interpreter() const {
    if (const auto last = StepRecords(bench_.store).last(request_.name.to_string(), kPythonPackagesStep))
      for (const auto& leaf : last->leaves)
        if (leaf.name == kInterpreterLeaf) return leaf.value;
    return "unknown until the steps below are done";
  }

  void check_runtime(const Interpreter& interpreter) const {
    if (!app_.runtime) return;
    const auto wanted = app_.runtime->to_string();
    switch (app_.runtime->match(interpreter.version)) {
      case PythonVersionRequest::Match::yes:
        return;
      case PythonVersionRequest::Match::other_patch:
        bench_.warn(kPythonPackagesStep,
                    concat("runtime.txt asks for Python ", wanted, "; the base image has ",
                           interpreter.version, ", which is used"));
        return;
      case PythonVersionRequest::Match::no:
        throw Error(
            ErrorCode::unsupported,
            concat("runtime.txt asks for Python ", wanted, ", but the base image has ", interpreter.version,
                   request_.runtimes.empty()
                       ? ""
                       : concat(" and there are archives of ", versions_of(request_.runtimes))))
            .with_hint(concat("change runtime.txt to python-", interpreter.minor_version(),
                              ", name a base image with that Python by --base, or an archive of it by "
                              "--python-runtime"));
    }
  }

  const Workbench& bench_;
  const BuildRequest& request_;
  const AppInputs& app_;
  UvTool uv_;
  RequirementsFiles requirements_;
  UvSettings settings_;
  std::vector<FileLeaf> leaves_;
  std::string locked_;  // without secrets; empty: none is given
  std::optional<Interpreter> interpreter_;
};

}  // namespace

std::unique_ptr<Step> make_python_packages_step(const Workbench& bench, const BuildRequest& request,
                                                const AppInputs& app) {
  return std::make_unique<PythonPackagesStep>(bench, request, app);
}

}  // namespace dash::builder
