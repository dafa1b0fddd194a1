#include "builder/system/predeploy.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/system/app_command.hpp"

namespace dash::builder {

namespace {

// In front of a script that starts with a path: says what the shell would only hint at.
constexpr std::string_view kCheckProgram = R"(if [[ ! -x $dash_word || -d $dash_word ]]; then
  echo "$dash_word is not executable" >&2
  exit 126
fi
unset dash_word
)";
constexpr int kNotExecutable = 126;

std::string first_word(const std::string& script) {
  return script.substr(0, script.find_first_of(" \t\n"));
}

}  // namespace

oci::Layer run_predeploy(const Workbench& bench, const std::vector<oci::Layer>& layers,
                         const std::string& script, const std::vector<std::string>& environment,
                         const std::string& step) {
  AppCommand command{step, script, environment};
  if (script.starts_with('/'))
    command.script = concat("dash_word=", shell_join({first_word(script)}), '\n', kCheckProgram, script);
  auto result = run_app_command(bench, layers, command);
  if (result.exit_code == kNotExecutable && script.starts_with('/') &&
      contains(result.tail, first_word(script) + " is not executable"))
    throw Error(ErrorCode::invalid_input, concat("app.json: the predeploy script ",
                                                 dash::quoted(first_word(script)), " is not executable"))
        .with_hint(concat("run it as 'bash ", script,
                          "', or set the x bit ('git update-index --chmod=+x FILE', where "
                          "the checkout may have lost it)"));
  if (result.exit_code != 0)
    throw Error(ErrorCode::step_failed, concat("the predeploy script ", dash::quoted(script),
                                               " failed with exit code ", result.exit_code))
        .with_hint(
            "it runs as root in /app of the image, with the app's packages installed; the output above is "
            "its own")
        .with_output(result.tail);
  return std::move(result.layer.value());
}

}  // namespace dash::builder
