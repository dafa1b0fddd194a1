#include "builder/system/app_command.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/system/launcher.hpp"
#include "builder/system/system_layer.hpp"

#include <cerrno>

#include <boost/filesystem/directory.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::builder {

namespace {

// Gives what the command made below `directory` to the app user. Whiteouts belong to the overlay, not to the
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

// $1 is the script. The profile may fail in parts, the script may not.
std::string wrapper(AppCommand::Profile profile) {
  return concat("dash_script=$1\n",
                profile == AppCommand::Profile::source ? enter_app_script() : "export HOME=/app\n",
                "set -o errexit -o pipefail\neval \"$dash_script\"\n");
}

}  // namespace

AppCommandResult run_app_command(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                 const AppCommand& command) {
  SandboxCommand run;
  run.layers = layers;
  run.argv = {"/bin/bash", "-c", wrapper(command.profile), command.step, command.script};
  run.environment = command.environment;
  run.directory = kAppDirectory;
  run.network = bench.network;
  run.changes = Changes::keep;
  run.secrets = command.secrets;
  run.mounts = command.mounts;
  run.on_output = [&](std::string_view line) { bench.log(command.step, std::string(line)); };
  auto result = bench.sandbox.run(run, bench.stop);
  AppCommandResult out{result.exit_code, std::move(result.tail), std::nullopt};
  if (out.exit_code != 0) return out;
  give_to_app(result.changes / fs::path(kAppDirectory).relative_path());
  out.layer = change_to_layer(bench, result.changes);
  return out;
}

}  // namespace dash::builder
