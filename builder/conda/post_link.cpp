#include "builder/conda/post_link.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/step_record.hpp"
#include "builder/system/app_command.hpp"

namespace dash::builder {
namespace {

constexpr const char* kRecipe = "post-link 1";
constexpr std::string_view kFailure = "dash-build: the post-link script of ";

// Arguments: name, version, script, record. Scripts leave messages for people in .messages.txt.
constexpr std::string_view kRun = R"(run() {
  number=$(sed -n 's/^  "build_number": \([0-9]*\),\{0,1\}$/\1/p' "$4")
  PKG_NAME=$1 PKG_VERSION=$2 PKG_BUILDNUM=$number bash "$3" || {
    echo "dash-build: the post-link script of $1 failed with exit code $?" >&2
    exit 1
  }
  if [ -e "$PREFIX/.messages.txt" ]; then
    cat "$PREFIX/.messages.txt"
    rm -f "$PREFIX/.messages.txt"
  fi
}
)";

// "the post-link script of X failed with exit code N", as the command said it.
std::string failure(std::string_view output) {
  for (const std::string_view line : split_lines(output))
    if (line.starts_with(kFailure)) return std::string(line.substr(line.find(' ') + 1));
  return "a post-link script failed";
}

}  // namespace

oci::Layer run_post_link_scripts(const Workbench& bench, const std::string& step,
                                 const std::vector<oci::Layer>& layers, const std::string& prefix,
                                 const std::vector<PostLinkScript>& scripts, Reuse reuse) {
  AppCommand command{step, std::string(kRun), {}, AppCommand::Profile::skip, SandboxCommand::Secrets::hidden};
  for (const PostLinkScript& script : scripts)
    command.script +=
        concat(shell_join({"run", script.package, script.version, script.path, script.record_path}), '\n');
  command.environment = {
      concat("PATH=", prefix, "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
      concat("PREFIX=", prefix),
      concat("ROOT_PREFIX=", prefix),
      concat("CONDA_PREFIX=", prefix),
      "LANG=C.UTF-8",
      "PYTHONDONTWRITEBYTECODE=1"};

  StepInputs inputs;
  inputs.add("recipe", kRecipe);
  inputs.add("command", kAppCommandRecipe);
  inputs.add("compression", bench.compression.identity());
  inputs.add("times", std::to_string(bench.host.source_date_epoch));
  inputs.add("prefix", prefix);
  inputs.add_content("scripts", command.script);
  for (const oci::Layer& layer : layers) inputs.add("layer", layer.diff_id.to_string());
  StepRecords records(bench.store, kLayerRecords);
  if (reuse == Reuse::yes)
    if (const auto record = records.find(inputs.key("post-link")); record && record->layers.size() == 1)
      return record->layers.front();

  bench.log(step, concat("Running ", scripts.size(),
                         scripts.size() == 1 ? " post-link script" : " post-link scripts"));
  auto result = run_app_command(bench, layers, command);
  if (result.exit_code != 0)
    throw Error(ErrorCode::step_failed, failure(result.tail))
        .with_hint(
            "The output above is the package's own. Use another version or build of the package, or "
            "report it to its channel.")
        .with_output(result.tail);
  records.save(inputs.key("post-link"), {step, inputs.leaves(), {*result.layer}, {}, 0});
  return std::move(*result.layer);
}

}  // namespace dash::builder
