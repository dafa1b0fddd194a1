#include "builder/system/apt.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/system/apt_script.hpp"
#include "builder/system/host_apt.hpp"
#include "builder/system/system_layer.hpp"

namespace dash::builder {

namespace {

// Tells package scripts not to start services (invoke-rc.d and deb-systemd-invoke ask it).
constexpr std::string_view kPolicy = "#!/bin/sh\nexit 101\n";

struct AptRun {
  SandboxResult result;
  AptStage stage;
};

AptRun run_apt(const Workbench& bench, const std::vector<oci::Layer>& layers, const AptFiles& files,
               const fs::path& app, Recommends recommends, const std::string& step) {
  const auto directory = bench.store.work_directory();
  const auto input = directory.path() / "apt", report = directory.path() / "report",
             policy = directory.path() / "policy";
  make_directories(input);
  make_directories(report);
  write_file_atomic(policy, kPolicy, 0755);
  const fs::path ca_bundle = bench.host.ca_bundle.empty() ? "" : kSandboxCaBundle;
  write_apt_files(input, files, app, apt_transport_settings(bench.host, ca_bundle, bench.stop), recommends);
  if (bench.network == Network::none) write_file_atomic(input / "offline", "");

  SandboxCommand command;
  command.layers = layers;
  command.argv = {"bash", "-e", concat(kAptInputDirectory, "/script")};
  command.environment = {
      concat("PATH=", kDefaultSearchPath), "HOME=/root", "LC_ALL=C.UTF-8", "TZ=UTC",
      "DEBIAN_FRONTEND=noninteractive", concat("APT_CONFIG=", kAptInputDirectory, "/apt.conf"),
      // Makes bytecode valid whatever the files' times, and dates in /etc/shadow constant.
      concat("SOURCE_DATE_EPOCH=", bench.host.source_date_epoch), "PYTHONDONTWRITEBYTECODE=1"};
  command.network = bench.network;
  command.changes = Changes::keep;
  command.secrets = SandboxCommand::Secrets::visible;
  command.mounts = {{input, kAptInputDirectory, SandboxMount::Access::read_only},
                    {report, kAptReportDirectory, SandboxMount::Access::read_write},
                    {policy, "/usr/sbin/policy-rc.d", SandboxMount::Access::read_only}};
  command.on_output = [&](std::string_view line) { bench.log(step, std::string(line)); };
  AptRun run{bench.sandbox.run(command, bench.stop), {}};
  run.stage = parse_apt_stage(read_file_if_exists(report / "stage", 4096).value_or(""));
  return run;
}

// "apt-packages:3" for the item that says `name`, perhaps with a version.
std::string place_of_package(const AptFiles& files, const std::string& name) {
  for (const auto& item : files.packages)
    if (item.text == name || item.text.starts_with(name + "=") || item.text.starts_with(name + "/"))
      return concat("apt-packages:", item.number);
  return "apt-packages";
}

// The written text of the item that the script was at.
const TextLine* item_at(const AptFiles& files, const AptStage& stage) {
  const auto& items = stage.file == "apt-keys"           ? files.keys
                      : stage.file == "apt-repositories" ? files.repositories
                                                         : files.debconf;
  return stage.item > 0 && stage.item <= items.size() ? &items[stage.item - 1] : nullptr;
}

[[noreturn]] void fail(const AptFiles& files, const AptRun& run, Network network) {
  const auto& output = run.result.tail;
  const auto unknown = unknown_packages(output);
  if (network == Network::none)
    throw Error(ErrorCode::unavailable, "system packages can't be installed while building offline")
        .with_hint("build once online; the layer is reused as long as the apt files stay as they are")
        .with_output(output);
  if (says_unreachable(output))
    throw Error(ErrorCode::unavailable,
                concat("a package source could not be reached (", run.stage.file, ")"))
        .with_hint(
            "check the network, proxies and the sources in apt-sources-list and apt-repositories, then try "
            "again")
        .with_output(output);
  if (!unknown.empty()) {
    const auto place =
        run.stage.file == "apt-packages" ? place_of_package(files, unknown[0]) : run.stage.file;
    throw Error(ErrorCode::invalid_input,
                concat(place, ": no package source has ", dash::quoted(join(unknown, ", "))))
        .with_hint(
            "check name and version (on Debian: 'apt-cache policy NAME'); packages of other vendors need "
            "their "
            "source in apt-repositories and its key in apt-keys")
        .with_output(output);
  }
  if (run.stage.item > 0) {
    const auto* item = item_at(files, run.stage);
    throw Error(ErrorCode::invalid_input,
                concat(run.stage.file, ":", item != nullptr ? item->number : run.stage.item,
                       ": this line failed with exit code ", run.result.exit_code))
        .with_hint("see the output above; each line is one key URL, repository or debconf selection")
        .with_output(output);
  }
  throw Error(ErrorCode::step_failed, concat("installing system packages failed (", run.stage.file,
                                             "), exit code ", run.result.exit_code))
      .with_hint("the output above says which package failed and why")
      .with_output(output);
}

}  // namespace

oci::Layer install_system_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                   const AppDirectory& app, const AptFiles& files, const std::string& step) {
  const auto run = run_apt(bench, layers, files, app.path(), Recommends::install, step);
  if (run.result.exit_code != 0) fail(files, run, bench.network);
  return change_to_layer(bench, run.result.changes);
}

fs::path install_toolchain(const Workbench& bench, Snapshots& snapshots,
                           const std::vector<oci::Layer>& layers, const std::vector<std::string>& packages,
                           const std::string& step) {
  std::string key = concat("toolchain ", kAptRecipe);
  for (const auto& layer : layers) key += concat('\n', layer.diff_id.to_string());
  AptFiles files;
  for (const auto& package : packages) {
    key += concat('\n', package);
    files.packages.push_back({files.packages.size() + 1, package});
  }
  if (auto kept = snapshots.find_tree(key)) return *kept;
  bench.note(step, concat("installing the tools to compile with: ", join(packages, " ")));
  const auto run = run_apt(bench, layers, files, {}, Recommends::leave_out, step);
  if (run.result.exit_code != 0)
    with_context("while installing the tools to compile with", [&] { fail(files, run, bench.network); });
  return snapshots.keep_tree(key, run.result.changes);
}

}  // namespace dash::builder
