// The conda environment: the runtime's packages and those of conda-requirements.txt.
#include "base/text.hpp"
#include "builder/conda/conda_command.hpp"
#include "builder/conda/conda_packages.hpp"
#include "builder/conda/history.hpp"
#include "builder/conda/installer.hpp"
#include "builder/conda/installer_source.hpp"
#include "builder/conda/lock_text.hpp"
#include "builder/conda/requirement_line.hpp"
#include "builder/conda/solve.hpp"
#include "builder/conda/solver_answers.hpp"
#include "builder/image_config.hpp"
#include "builder/steps/conda_steps.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/app_command.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace dash::builder {

namespace {

// Part of the step's key: changes when the same inputs would give other layers.
constexpr const char* kRecipe = "conda 2";
constexpr const char* kAutoUpdateFile = "condarc.d/dash-build.yml";  // below the prefix

// Packages of an installer that the store does not have any more come from the installer, not from the URL
// that they had once.
class RuntimeFiles {
 public:
  RuntimeFiles(const Workbench& bench, const CondaSettings& settings, const CondaRuntime& runtime,
               const ExplicitLock& packages)
      : bench_(bench), settings_(settings), runtime_(runtime), work_(bench.store.work_directory()) {
    for (const CondaPackageUrl& package : packages.packages) urls_.insert(package.url);
  }

  std::string map(const std::string& url) {
    if (!urls_.contains(url)) return fetch_url(bench_, settings_, url);
    if (!extracted_) {
      const auto installer = get_installer(bench_, settings_, runtime_, kCondaPackagesStep);
      extract_installer_packages(installer.path, installer.name, work_.path(), bench_.stop);
      extracted_ = true;
    }
    CondaPackageUrl package;
    package.url = url;
    return concat("file://", (work_.path() / package.file_name()).string());
  }

 private:
  const Workbench& bench_;
  const CondaSettings& settings_;
  const CondaRuntime& runtime_;
  TempDirectory work_;
  std::set<std::string> urls_;
  bool extracted_ = false;
};

class CondaPackagesStep : public Step {
 public:
  CondaPackagesStep(const Workbench& bench, const BuildRequest& request, const AppInputs& app)
      : bench_(bench), request_(request), files_(app.conda.value()) {
    if (files_.requirements && is_explicit(*files_.requirements))
      explicit_ = parse_explicit_lock(*files_.requirements, kCondaRequirements);
  }
  std::string name() const override { return kCondaPackagesStep; }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    if (files_.requirements) {
      const auto lines = lines_that_count();
      out.add_content(kCondaRequirements, join(lines, "\n"));
      out.show(kCondaRequirements, lines);
    }
    // The image has it as it is.
    if (!files_.condarc.empty()) out.add_content(kCondarc, files_.condarc);
    out.add("conda-runtime", files_.runtime.installer);
    out.add("runtime", runtime_identity(below));
    out.add_content("pins", pinned());
    if (!request_.conda.condarc.empty())
      out.add_content("condarc", public_text(read_file(request_.conda.condarc)));
    out.add("base", below.identity_of(kBaseStep));
    out.add("prefix", kCondaPrefix);
    if (request_.conda_install == CondaInstall::conda) out.add("installed by", "conda");
    if (request_.pyc_files == PycFiles::omit) out.add("bytecode", "omitted");
    if (request_.package_layers != LayerLimits().layers)
      out.add("package layers", std::to_string(request_.package_layers));
    out.add("recipe", kRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    const auto& facts = below.facts.at(kCondaRuntimeStep);
    const auto packages = facts.find(kRuntimePackagesFact);
    check_servers();
    if (public_text(files_.condarc) != files_.condarc)
      bench_.warn(kCondaPackagesStep,
                  concat(kCondarc,
                         " has a password or token, which the image has then too; the machine's netrc file "
                         "and the setting condarc are for build time only"));
    if (packages == facts.end()) return {{install_by_conda(below.layers())}, {}};
    const auto runtime = lock_from_json(packages->second);
    const auto version = facts.at(kCondaVersionFact);
    warn_of_lines(version);

    RuntimeFiles runtime_files(bench_, request_.conda, files_.runtime, runtime);
    auto installation = installation_over(below);
    installation.map_url = [&](const std::string& url) { return runtime_files.map(url); };
    if (request_.conda_install == CondaInstall::conda) {
      auto layers = install(installation, runtime, version, nullptr, files_.condarc).layers;
      auto all = below.layers();
      all.insert(all.end(), layers.begin(), layers.end());
      if (asks_for_something()) layers.push_back(install_by_conda(all));
      return {std::move(layers), {{"conda", version}}};
    }
    const auto solved = solve(below, installation, runtime, version);
    auto installed = install(installation, runtime, version, &solved, files_.condarc);
    return {std::move(installed.layers),
            {{kLockFact, format_explicit_lock(public_lock(solved.lock))},
             {"conda", version},
             {"python", installed.python_version}}};
  }

  std::optional<std::string> unwanted(const StepRecord&) const override {
    if (request_.upgrade.all == Upgrade::All::yes && !explicit_) return "--upgrade";
    return std::nullopt;
  }

 private:
  std::string runtime_identity(const ImageState& below) const {
    const auto facts = below.facts.find(kCondaRuntimeStep);
    if (facts != below.facts.end())
      if (const auto digest = facts->second.find(kInstallerDigestFact); digest != facts->second.end())
        return concat("sha256:", digest->second);
    return below.identity_of(kCondaRuntimeStep);
  }

  // Without comments, blanks and secrets.
  std::vector<std::string> lines_that_count() const {
    std::vector<std::string> out;
    if (explicit_) {
      const auto text = format_explicit_lock(public_lock(*explicit_));
      for (const auto line : split_lines(text)) out.emplace_back(line);
    } else {
      for (const auto& line : conda_requirements(*files_.requirements).lines)
        out.push_back(public_text(line.text));
    }
    return out;
  }

  std::string pinned() const {
    std::string out;
    if (files_.runtime.version) out += concat("conda ==", *files_.runtime.version, '\n');
    for (const auto& pin : request_.conda.pins) out += pin + '\n';
    return out;
  }

  // Nothing where the app says it itself. Without it conda in the image would have itself renewed with
  // whatever people install there.
  std::string auto_update() const {
    constexpr const char* kKey = "auto_update_conda";
    return contains(files_.condarc, kKey) ? "" : concat(kKey, ": false\n");
  }

  bool asks_for_something() const {
    return files_.requirements && (explicit_ || !conda_requirements(*files_.requirements).lines.empty());
  }

  void warn_of_lines(const std::string& version) const {
    if (!files_.requirements || explicit_) return;
    const auto lines = conda_requirements(*files_.requirements);
    for (const auto& warning : requirement_warnings(lines, conda_reading(version), kCondaRequirements))
      bench_.warn(kCondaPackagesStep, warning);
  }

  void check_servers() const {
    check_reach(bench_, request_.conda, files_.condarc, kCondarc);
    if (files_.requirements) check_reach(bench_, request_.conda, *files_.requirements, kCondaRequirements);
  }

  // Conda packages need nothing of the system packages.
  CondaInstallation installation_over(const ImageState& below) const {
    CondaInstallation out;
    out.step = kCondaPackagesStep;
    for (const auto& part : below.parts)
      if (part.step == kBaseStep || part.step == kLauncherStep)
        out.root.insert(out.root.end(), part.layers.begin(), part.layers.end());
    out.pyc_files = request_.pyc_files;
    out.limits.layers = request_.package_layers;
    if (request_.cache == BuildRequest::Cache::ignore) out.reuse = Reuse::no;
    return out;
  }

  // The specs that conda keeps to in later solves.
  std::vector<std::string> asked_for(const std::string& version) const {
    std::vector<std::string> out;
    if (!files_.requirements || explicit_) return out;
    for (const auto& line : conda_requirements(*files_.requirements).lines) {
      const auto asked = read_requirement(line, conda_reading(version), kCondaRequirements);
      if (asked.name.empty()) continue;
      std::string spec =
          asked.channel.empty() ? asked.name : concat(public_text(asked.channel), "::", asked.name);
      if (!asked.version.empty()) spec += concat(' ', asked.version);
      if (!asked.build.empty()) spec += concat(asked.version.empty() ? " * " : " ", asked.build);
      out.push_back(std::move(spec));
    }
    return out;
  }

  // The runtime alone without `solved`.
  InstalledCondaPackages install(const CondaInstallation& over, const ExplicitLock& runtime,
                                 const std::string& version, const SolvedEnvironment* solved,
                                 const std::string& condarc) const {
    CondaInstallation request = over;
    const auto time = bench_.host.source_date_epoch;
    std::vector<CondaRevision> history = {{time,
                                           concat("bash ", installer_file_name(files_.runtime.installer)),
                                           version,
                                           {"conda"},
                                           runtime.packages,
                                           {}}};
    if (solved != nullptr && (!solved->linked.empty() || !solved->unlinked.empty()))
      history.push_back({time, concat("conda install --file ", kCondaRequirements), version,
                         asked_for(version), solved->linked, solved->unlinked});
    request.files = {{"conda-meta/history", conda_history(history)}};
    if (const auto pins = pinned(); !pins.empty()) request.files.push_back({"conda-meta/pinned", pins});
    if (!condarc.empty()) request.files.push_back({kCondarc, condarc});
    if (const auto text = auto_update(); !text.empty()) request.files.push_back({kAutoUpdateFile, text});
    std::ranges::sort(request.files, {}, &CondaInstallation::File::path);
    return install_conda_packages(bench_, solved == nullptr ? runtime : solved->lock, request);
  }

  SolvedEnvironment solve(const ImageState& below, CondaInstallation installation,
                          const ExplicitLock& runtime, const std::string& version) const {
    if (explicit_) return with_packages(runtime, explicit_->packages, {});
    if (!asks_for_something()) return with_packages(runtime, {}, {});
    const SolverAnswers answers(bench_.store, inputs(below).key(kCondaPackagesStep));
    if (request_.upgrade.all == Upgrade::All::no)
      if (const auto answer = answers.find()) return with_packages(runtime, answer->linked, answer->unlinked);
    CondaSolveRequest request{.step = kCondaPackagesStep, .settings = request_.conda};
    request.layers = installation.root;
    // Not part of the image, so that there is nothing to make anew.
    installation.reuse = Reuse::yes;
    const auto conda = install(installation, runtime, version, nullptr, for_conda(files_.condarc));
    request.layers.insert(request.layers.end(), conda.layers.begin(), conda.layers.end());
    request.requirements = *files_.requirements;
    bench_.log(kCondaPackagesStep, concat("conda ", version, " chooses packages"));
    const auto change = solve_conda(bench_, request);
    answers.keep(change);
    return with_packages(runtime, change.linked, change.unlinked);
  }

  // What conda reads names the servers that it can reach.
  std::string for_conda(const std::string& text) const { return request_.conda.mirrors.to_mirrors(text); }

  static ExplicitLock public_lock(ExplicitLock lock) {
    for (CondaPackageUrl& package : lock.packages) package.url = package.public_url();
    return lock;
  }

  // What conda itself makes of the file, as a layer.
  oci::Layer install_by_conda(const std::vector<oci::Layer>& layers) const {
    const auto work = bench_.store.work_directory();
    write_file(work.path() / kCondaRequirements, for_conda(files_.requirements.value_or("")));
    write_file(work.path() / "condarc", for_conda(files_.condarc));
    write_file(work.path() / "kept-condarc", files_.condarc);
    write_file(work.path() / "pinned", pinned());
    write_file(work.path() / "auto-update", auto_update());
    AppCommand command;
    command.step = kCondaPackagesStep;
    command.script = concat("mkdir -p ", kCondaPrefix, "/conda-meta ", kCondaPrefix, "/condarc.d\n[ ! -s ",
                            kCondaFilesDirectory, "/condarc ] || cp ", kCondaFilesDirectory, "/condarc ",
                            kCondaPrefix, "/.condarc\n[ ! -s ", kCondaFilesDirectory, "/pinned ] || cp ",
                            kCondaFilesDirectory, "/pinned ", kCondaPrefix, "/conda-meta/pinned\n[ ! -s ",
                            kCondaFilesDirectory, "/auto-update ] || cp ", kCondaFilesDirectory,
                            "/auto-update ", kCondaPrefix, '/', kAutoUpdateFile, '\n');
    if (asks_for_something())
      command.script +=
          concat(kCondaPrefix, "/bin/conda install --yes --no-update-deps",
                 bench_.network == Network::none ? " --offline" : "", " --file ", kCondaFilesDirectory, '/',
                 kCondaRequirements, "\nrm -rf ", kCondaPrefix, "/pkgs\n");
    command.script += concat("[ ! -s ", kCondaFilesDirectory, "/kept-condarc ] || cp ", kCondaFilesDirectory,
                             "/kept-condarc ", kCondaPrefix, "/.condarc\n");
    command.environment = conda_environment();
    command.profile = AppCommand::Profile::skip;
    using Access = SandboxMount::Access;
    command.mounts = {{work.path(), kCondaFilesDirectory, Access::read_only}};
    if (!request_.conda.condarc.empty()) {
      write_file(work.path() / "machine-condarc", for_conda(read_file(request_.conda.condarc)));
      command.mounts.push_back({work.path() / "machine-condarc", kMachineCondarc, Access::read_only});
    }
    if (bench_.network == Network::host && !bench_.host.netrc.empty()) {
      command.mounts.push_back({bench_.host.netrc, kMachineNetrc, Access::read_only});
      command.environment.push_back(concat("NETRC=", kMachineNetrc));
    }
    auto result = run_app_command(bench_, layers, command);
    if (result.exit_code != 0)
      throw Error(ErrorCode::step_failed, concat("conda install failed with exit code ", result.exit_code))
          .with_output(result.tail)
          .with_hint("The output above is conda's own.");
    return std::move(*result.layer);
  }

  const Workbench& bench_;
  const BuildRequest& request_;
  const CondaFiles& files_;
  std::optional<ExplicitLock> explicit_;  // of an "@EXPLICIT" file
};

}  // namespace

std::unique_ptr<Step> make_conda_packages_step(const Workbench& bench, const BuildRequest& request,
                                               const AppInputs& app) {
  return std::make_unique<CondaPackagesStep>(bench, request, app);
}

}  // namespace dash::builder
