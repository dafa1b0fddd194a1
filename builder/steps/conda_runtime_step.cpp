// The conda that the app's packages are installed with: its installer, read and not run.
#include "base/text.hpp"
#include "builder/conda/conda_command.hpp"
#include "builder/conda/installer.hpp"
#include "builder/conda/installer_source.hpp"
#include "builder/conda/lock_text.hpp"
#include "builder/steps/conda_steps.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/app_command.hpp"

#include <array>

namespace dash::builder {

namespace {

// Part of the step's key: changes when the same installer would give something else.
constexpr const char* kRecipe = "conda runtime 1";
constexpr const char* kInstallerPath = "/run/dash-build/installer.sh";

class CondaRuntimeStep : public Step {
 public:
  CondaRuntimeStep(const Workbench& bench, const BuildRequest& request, const AppInputs& app)
      : bench_(bench), request_(request), runtime_(app.conda.value().runtime) {
    if (runtime_.origin == CondaRuntime::Origin::standard)
      bench_.note(kCondaRuntimeStep, concat("no conda-runtime.txt: the runtime is ", runtime_.installer));
  }
  std::string name() const override { return kCondaRuntimeStep; }
  Decision kind() const override { return Decision::fetch; }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    out.add(kCondaRuntimeLeaf, runtime_.installer);
    const auto pinned = pinned_digest(request_.conda, runtime_.installer);
    // What has no pin is what this server had when it was asked first.
    if (pinned)
      out.add("installer", concat("sha256:", to_hex(*pinned)));
    else
      out.add("server", redact_url(request_.conda.base_url));
    out.add("base", below.identity_of(kBaseStep));
    out.add("recipe", kRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    const auto installer = get_installer(bench_, request_.conda, runtime_, kCondaRuntimeStep);
    try {
      return install(below, installer);
    } catch (const Error& error) {
      // What a server had wrongly once is not kept.
      if (error.code() != ErrorCode::canceled) forget_installer(bench_, request_.conda, runtime_, installer);
      throw;
    }
  }

 private:
  StepResult install(const ImageState& below, const InstallerFile& installer) {
    const auto content = read_installer(installer.path, installer.name, bench_.stop);
    StepResult out;
    out.facts[kInstallerDigestFact] = to_hex(installer.sha256);
    if (!content) {
      check_script(installer);
      out.layers = {run_installer(below, installer)};
      return out;
    }
    bench_.log(kCondaRuntimeStep,
               concat(content->name, ' ', content->version, ": conda ", content->conda_version, " and ",
                      content->packages.packages.size(), " packages"));
    if (content->conda_version.empty())
      throw Error(ErrorCode::invalid_input, concat(installer.name, " has no conda in it"))
          .with_hint("Name an installer of Miniconda or Miniforge in conda-runtime.txt.");
    out.facts[kCondaVersionFact] = content->conda_version;
    out.facts[kRuntimePackagesFact] = lock_to_json(content->packages);
    return out;
  }

  // Pages of servers are not for the shell.
  static void check_script(const InstallerFile& installer) {
    FileSource file(installer.path);
    std::array<std::byte, 256> bytes{};
    const auto text = as_text(Bytes(bytes).first(file.read(bytes)));
    const auto line = text.substr(0, text.find('\n'));
    if (line.starts_with("#!") && !line.ends_with('\r')) return;
    throw Error(ErrorCode::corrupt,
                concat(installer.name, " is no installer: ",
                       text.empty() ? "it is empty" : concat("it starts with ", dash::quoted(line))))
        .with_hint("Look at what conda_base_url serves under this name; line ends must be those of Unix.");
  }

  // An installer of another kind installs itself; what it changes is a layer.
  oci::Layer run_installer(const ImageState& below, const InstallerFile& installer) {
    bench_.warn(kCondaRuntimeStep, concat(installer.name,
                                          " is of a kind that cannot be read; it is run instead, and conda "
                                          "installs the packages itself"));
    AppCommand command;
    command.step = kCondaRuntimeStep;
    command.script = concat("bash ", kInstallerPath, " -b -f -p ", kCondaPrefix, " && rm -rf ", kCondaPrefix,
                            "/pkgs && test -x ", kCondaPrefix, "/bin/conda\n");
    command.environment = conda_environment();
    command.profile = AppCommand::Profile::skip;
    command.secrets = SandboxCommand::Secrets::hidden;
    command.mounts = {{installer.path, kInstallerPath, SandboxMount::Access::read_only}};
    auto result = run_app_command(bench_, below.layers(), command);
    if (result.exit_code != 0)
      throw Error(ErrorCode::step_failed, concat(installer.name, " failed with exit code ", result.exit_code))
          .with_output(result.tail)
          .with_hint(
              "The file may be no installer, or damaged: compare its SHA-256 with the one its publisher "
              "names.");
    return std::move(*result.layer);
  }

  const Workbench& bench_;
  const BuildRequest& request_;
  CondaRuntime runtime_;
};

}  // namespace

std::unique_ptr<Step> make_conda_runtime_step(const Workbench& bench, const BuildRequest& request,
                                              const AppInputs& app) {
  return std::make_unique<CondaRuntimeStep>(bench, request, app);
}

}  // namespace dash::builder
