#include "builder/system/predeploy.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/system/system_layer.hpp"

#include <cerrno>

#include <boost/filesystem/directory.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::builder {

namespace {

// $1 is the app's script. The profile may fail in parts, the script may not.
constexpr std::string_view kWrapper = R"(dash_script=$1
export HOME=/app
cd /app || exit 1
set +o errexit
shopt -s nullglob
for profile in /etc/profile.d/*.sh /app/.profile.d/*.sh; do
  if [[ -r $profile && ! -d $profile ]]; then source "$profile"; fi
done
shopt -u nullglob
unset profile
cd /app || exit 1
if [[ $dash_script == /* ]]; then
  word=${dash_script%%[[:space:]]*}
  if [[ ! -x $word || -d $word ]]; then
    echo "$word is not executable" >&2
    exit 126
  fi
  unset word
fi
set -o errexit -o pipefail
eval "$dash_script"
)";

constexpr int kNotExecutable = 126;

std::string first_word(const std::string& script) {
  return script.substr(0, script.find_first_of(" \t\n"));
}

// Gives what the script made below `directory` to the app user. Whiteouts belong to the overlay, not to the
// app.
void give_to_app(const fs::path& directory) {
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0) {
    if (errno == ENOENT) return;
    throw system_error(concat("cannot look at ", directory.string()), errno);
  }
  if (S_ISCHR(info.st_mode)) return;
  if ((info.st_uid != kAppUser || info.st_gid != kAppUser)) {
    if (::lchown(directory.c_str(), kAppUser, kAppUser) != 0)
      throw system_error(concat("cannot chown ", directory.string()), errno);
  }
  if (!S_ISDIR(info.st_mode)) return;
  for (fs::directory_iterator entry(directory), end; entry != end; ++entry) give_to_app(entry->path());
}

}  // namespace

oci::Layer run_predeploy(const Workbench& bench, const std::vector<oci::Layer>& layers,
                         const std::string& script, const std::vector<std::string>& environment,
                         const std::string& step) {
  SandboxCommand command;
  command.layers = layers;
  command.argv = {"/bin/bash",           "-o",        "errexit", "-o", "pipefail", "-c",
                  std::string(kWrapper), "predeploy", script};
  command.environment = environment;
  command.directory = kAppDirectory;
  command.network = bench.network;
  command.changes = Changes::keep;
  command.secrets = SandboxCommand::Secrets::visible;
  command.on_output = [&](std::string_view line) { bench.log(step, std::string(line)); };
  const auto result = bench.sandbox.run(command, bench.stop);

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
  give_to_app(result.changes / fs::path(kAppDirectory).relative_path());
  return change_to_layer(bench, result.changes);
}

}  // namespace dash::builder
