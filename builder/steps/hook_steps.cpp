// The hooks of the app: bin/pre_compile, bin/post_compile, Django's collectstatic and nltk.txt.
#include "base/text.hpp"
#include "builder/conda/explicit_lock.hpp"
#include "builder/image_config.hpp"
#include "builder/python/pylock.hpp"
#include "builder/steps/app_image.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/app_command.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

constexpr const char* kNltkIndexVariable = "DASH_NLTK_INDEX";  // of the program below
constexpr const char* kDisableCollectstatic = "DISABLE_COLLECTSTATIC";

// Arguments: the directory, the packages. The module's own command line goes on after a
// failure and ends with 0.
constexpr const char* kDownload = R"(import os, sys
from nltk.downloader import Downloader
directory, *packages = sys.argv[1:]
downloader = Downloader(server_index_url=os.environ.get("DASH_NLTK_INDEX"), download_dir=directory)
sys.exit(not all([downloader.download(name, raise_on_error=False) for name in packages]))
)";

// Whether a package is installed; nothing as long as the packages are not known.
std::optional<bool> has_package(const ImageState& below, std::string_view name) {
  if (const auto conda = below.facts.find(kCondaPackagesStep); conda != below.facts.end()) {
    const auto lock = conda->second.find(kLockFact);
    if (lock == conda->second.end()) return std::nullopt;
    const auto packages = parse_explicit_lock(lock->second, "lock").packages;
    if (std::ranges::find(packages, name, &CondaPackageUrl::name) != packages.end()) return true;
  }
  const auto facts = below.facts.find(kPythonPackagesStep);
  if (facts == below.facts.end()) return std::nullopt;
  const auto lock = facts->second.find("lock");
  if (lock == facts->second.end()) return std::nullopt;
  const auto packages = Lock::parse(lock->second, "/").packages;
  return std::any_of(packages.begin(), packages.end(),
                     [&](const LockedPackage& package) { return package.name == name; });
}

std::string variable(const Workbench& bench, const BuildRequest& request, const std::string& name) {
  for (const auto& [key, value] : request.environment)
    if (key == name) return value;
  const auto found = bench.host.variables.find(name);
  return found == bench.host.variables.end() ? "" : found->second;
}

struct HookCommand {
  std::string step;
  std::string script;
  std::vector<std::string> environment;      // beside the image's
  std::map<std::string, std::string> facts;  // of the step's record
  std::string needs;                         // a Python package without which there is nothing to do
  std::string disabled;                      // why it is not run at all
  std::string failure;                       // "… failed with exit code N"
  std::string hint;
  enum class Downloads { nothing, something } downloads = Downloads::nothing;
};

class HookStep : public Step {
 public:
  HookStep(const Workbench& bench, const BuildRequest& request, HookCommand command)
      : bench_(bench), request_(request), command_(std::move(command)) {}
  std::string name() const override { return command_.step; }

  std::optional<std::string> skip_reason(const ImageState& below) const override {
    if (!command_.disabled.empty()) return command_.disabled;
    if (!command_.needs.empty() && has_package(below, command_.needs) == false)
      return concat(command_.needs, " is not among the packages");
    return std::nullopt;
  }

  StepInputs inputs(const ImageState& below) const override {
    StepInputs out;
    out.add_content("command", command_.script);
    add_image(out, request_, below);
    out.add("recipe", kAppCommandRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    AppCommand command{command_.step, command_.script, image_config(bench_, request_, below).environment,
                       AppCommand::Profile::skip};
    command.environment.insert(command.environment.end(), command_.environment.begin(),
                               command_.environment.end());
    auto result = run_app_command(bench_, below.layers(), command);
    if (result.exit_code != 0 && command_.downloads == HookCommand::Downloads::something &&
        bench_.network == Network::none)
      throw Error(ErrorCode::unavailable, concat(command_.failure, " is not possible: the build is offline"))
          .with_hint("build once online with the same store")
          .with_output(result.tail);
    if (result.exit_code != 0)
      throw Error(ErrorCode::step_failed,
                  concat(command_.failure, " failed with exit code ", result.exit_code))
          .with_hint(command_.hint)
          .with_output(result.tail);
    return {{std::move(result.layer.value())}, command_.facts};
  }

 private:
  const Workbench& bench_;
  const BuildRequest& request_;
  HookCommand command_;
};

std::unique_ptr<Step> make_compile_hook(const Workbench& bench, const BuildRequest& request,
                                        const std::string& step, const std::string& path) {
  HookCommand command;
  command.step = step;
  command.script = concat("mkdir -p \"$CACHE_DIR\" \"$ENV_DIR\"\n[[ -x ", path, " ]] || chmod +x ", path,
                          "\n./", path, '\n');
  command.environment = {concat("BUILD_DIR=", kAppDirectory), "CACHE_DIR=/tmp/cache", "ENV_DIR=/tmp/env"};
  command.failure = path;
  command.hint = "it runs as root in /app of the image; the output above is its own";
  return std::make_unique<HookStep>(bench, request, std::move(command));
}

}  // namespace

std::unique_ptr<Step> make_pre_compile_step(const Workbench& bench, const BuildRequest& request) {
  return make_compile_hook(bench, request, kPreCompileStep, kPreCompileHook);
}

std::unique_ptr<Step> make_post_compile_step(const Workbench& bench, const BuildRequest& request) {
  return make_compile_hook(bench, request, kPostCompileStep, kPostCompileHook);
}

std::unique_ptr<Step> make_collectstatic_step(const Workbench& bench, const BuildRequest& request,
                                              const BuildHooks& hooks) {
  const std::vector<std::string> words = {"python", hooks.manage_py, "collectstatic", "--noinput"};
  HookCommand command;
  command.step = kCollectstaticStep;
  command.script = shell_join(words) + " --traceback\n";
  command.environment = {"PYTHONDONTWRITEBYTECODE=1"};
  command.needs = "django";
  if (hooks.collectstatic == BuildHooks::Collectstatic::disabled)
    command.disabled = "there is a file .heroku/collectstatic_disabled";
  else if (!variable(bench, request, kDisableCollectstatic).empty())
    command.disabled = concat(kDisableCollectstatic, " is set");
  command.failure = shell_join(words);
  command.hint =
      "mend what the output above shows (STATIC_ROOT must be set, settings must not need variables that only "
      "exist later), or switch it off with --env DISABLE_COLLECTSTATIC=1";
  return std::make_unique<HookStep>(bench, request, std::move(command));
}

std::unique_ptr<Step> make_nltk_step(const Workbench& bench, const BuildRequest& request,
                                     const BuildHooks& hooks) {
  const auto directory = concat(kPythonPrefix, "/nltk_data");
  std::vector<std::string> words = {"python", "-c", kDownload, directory};
  words.insert(words.end(), hooks.nltk_packages.begin(), hooks.nltk_packages.end());
  HookCommand command;
  command.step = kNltkStep;
  command.script = shell_join(words);
  command.environment = {"PYTHONDONTWRITEBYTECODE=1"};
  // Not part of the command, and so of the key: as with packages, it is the names that count.
  if (!request.nltk_index.empty())
    command.environment.push_back(concat(kNltkIndexVariable, '=', request.nltk_index));
  command.needs = "nltk";
  command.facts = {{concat(kVariableFact, "NLTK_DATA"), directory}};
  command.failure = concat("downloading the NLTK packages ", join(hooks.nltk_packages, ", "));
  command.hint =
      "check the names in nltk.txt and the network; the setting nltk_index (DASH_BUILD_NLTK_INDEX) names "
      "another index than NLTK's own";
  command.downloads = HookCommand::Downloads::something;
  return std::make_unique<HookStep>(bench, request, std::move(command));
}

}  // namespace dash::builder
