#include "builder/system/apt.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/system/apt_script.hpp"
#include "builder/system/host_apt.hpp"
#include "builder/system/system_layer.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

// Tells package scripts not to start services (invoke-rc.d and deb-systemd-invoke ask it).
constexpr std::string_view kPolicy = "#!/bin/sh\nexit 101\n";

// Names that are farther from the written one are no misspelling of it.
constexpr std::size_t kMaxMisspelling = 2;
constexpr std::size_t kMaxSuggestions = 3;
constexpr std::uint64_t kMaxNames = std::uint64_t{16} << 20;

struct AptRun {
  SandboxResult result;
  AptStage stage;
  std::string names;       // one package name per line
  std::string versions;    // "NAME | VERSION | SOURCE"
  std::string diversions;  // dpkg's, when it went well
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
  AptRun run{bench.sandbox.run(command, bench.stop), {}, {}, {}, {}};
  run.stage = parse_apt_stage(read_file_if_exists(report / "stage", 4096).value_or(""));
  run.names = read_file_if_exists(report / "names", kMaxNames).value_or("");
  run.diversions = read_file_if_exists(report / "diversions", kMaxNames).value_or("");
  run.versions = read_file_if_exists(report / "versions", kMaxNames).value_or("");
  return run;
}

// "apt-packages:3" for the item that says `name`, perhaps with a version.
std::string place_of_package(const AptFiles& files, const std::string& name) {
  for (const auto& item : files.packages)
    if (item.text == name || item.text.starts_with(name + "=") || item.text.starts_with(name + "/") ||
        item.text.starts_with(name + ":"))
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

// The package names that are closest to a misspelt one: "'libpq-dev' or 'libpq5'". Of equally close ones
// those with the same letters: exchanged letters are the most common mistake.
std::string suggestions(std::string_view names, std::string_view wrong) {
  const auto letters = [](std::string_view name) {
    std::string sorted(name);
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  };
  const auto limit = wrong.size() < 5 ? std::size_t{1} : kMaxMisspelling;
  const auto wrong_letters = letters(wrong);
  auto best = 2 * limit + 1;
  std::vector<std::string> found;
  for (const auto name : split_lines(names)) {
    const auto distance = edit_distance(name, wrong, limit);
    const auto rank = 2 * distance + (letters(name) == wrong_letters ? 0 : 1);
    if (rank > best) continue;
    if (rank < best) found.clear();
    best = rank;
    found.push_back(dash::quoted(name));
  }
  std::sort(found.begin(), found.end());
  if (found.size() > kMaxSuggestions) found.resize(kMaxSuggestions);
  return join(found, " or ");
}

[[noreturn]] void fail_unknown(const AptFiles& files, const AptRun& run,
                               const std::vector<std::string>& unknown) {
  const auto& output = run.result.tail;
  const auto place = run.stage.file == "apt-packages" ? place_of_package(files, unknown[0]) : run.stage.file;
  const auto close = suggestions(run.names, unknown[0]);
  throw Error(ErrorCode::invalid_input,
              concat(place, ": no package source has ", dash::quoted(join(unknown, ", "))))
      .with_hint(
          concat(close.empty() ? "check the name (on Debian: 'apt-cache search WORD'). "
                               : concat("did you mean ", close, "? "),
                 "Packages of other vendors need their source in apt-repositories and its key in apt-keys"))
      .with_output(output);
}

[[noreturn]] void fail_version(const AptFiles& files, const AptRun& run, const MissingVersion& missing) {
  std::vector<std::string> available;
  for (const auto line : split_lines(run.versions)) {
    const auto fields = split(line, '|');
    if (fields.size() < 2 || trim(fields[0]) != missing.package) continue;
    const auto version = std::string(trim(fields[1]));
    if (std::find(available.begin(), available.end(), version) == available.end())
      available.push_back(version);
  }
  throw Error(ErrorCode::invalid_input,
              concat(place_of_package(files, missing.package), ": no package source has version ",
                     dash::quoted(missing.version), " of ", missing.package))
      .with_hint(available.empty() ? concat("write ", missing.package, " without a version")
                                   : concat("there is ", join(available, ", "), "; write ", missing.package,
                                            " without a version for the newest"))
      .with_output(run.result.tail);
}

[[noreturn]] void fail_line(const AptFiles& files, const AptRun& run) {
  const auto* item = item_at(files, run.stage);
  throw Error(ErrorCode::invalid_input,
              concat(run.stage.file, ":", item != nullptr ? item->number : run.stage.item,
                     ": this line failed with exit code ", run.result.exit_code))
      .with_hint("see the output above; each line is one key URL, repository or debconf selection")
      .with_output(run.result.tail);
}

[[noreturn]] void fail(const AptFiles& files, const AptRun& run, Network network) {
  const auto& output = run.result.tail;
  if (network == Network::none)
    throw Error(ErrorCode::unavailable, "system packages can't be installed while building offline")
        .with_hint("build once online; the layer is reused as long as the apt files stay as they are")
        .with_output(output);
  if (const auto source = unsigned_source(output))
    throw Error(ErrorCode::invalid_input,
                concat("the package source ", dash::quoted(*source), " is not signed by a known key"))
        .with_hint("add the URL of the key that signs it to apt-keys")
        .with_output(output);
  // On apt's side of it nothing tells a wrong password from a missing one.
  if (contains(output, "401  Unauthorized") || contains(output, "403  Forbidden"))
    throw Error(ErrorCode::denied,
                concat("a package source refuses user name and password (", run.stage.file, ")"))
        .with_hint(
            "write them into the source's URL, as in \"deb https://USER:PASSWORD@packages.example/ …\"")
        .with_output(output);
  if (const auto source = absent_source(output))
    throw Error(ErrorCode::invalid_input, concat("there is no package source ", dash::quoted(*source)))
        .with_hint("check URL and suite in apt-repositories and apt-sources-list")
        .with_output(output);
  if (run.stage.item > 0 && contains(output, "  404  ")) fail_line(files, run);
  if (says_unreachable(output))
    throw Error(ErrorCode::unavailable,
                concat("a package source could not be reached (", run.stage.file, ")"))
        .with_hint(
            "check the network, proxies and the sources in apt-sources-list and apt-repositories, then try "
            "again")
        .with_output(output);
  if (const auto missing = missing_version(output)) fail_version(files, run, *missing);
  if (const auto unknown = unknown_packages(output); !unknown.empty()) fail_unknown(files, run, unknown);
  if (const auto unmet = unmet_dependencies(output); !unmet.empty())
    throw Error(ErrorCode::invalid_input,
                concat(run.stage.file, ": ", join(unmet, ", "), ", which can't be installed"))
        .with_hint(
            "put the missing package into dpkg-packages/, or its source into apt-repositories; "
            "apt-preferences and versions may also be in the way")
        .with_output(output);
  if (run.stage.item > 0) fail_line(files, run);
  throw Error(ErrorCode::step_failed, concat("installing system packages failed (", run.stage.file,
                                             "), exit code ", run.result.exit_code))
      .with_hint("the output above says which package failed and why")
      .with_output(output);
}

}  // namespace

std::vector<oci::Layer> install_system_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                                const AppDirectory& app, const AptFiles& files,
                                                const SystemInstallation& installation) {
  const auto run = run_apt(bench, layers, files, app.path(), Recommends::install, installation.step);
  if (run.result.exit_code != 0) fail(files, run, bench.network);
  return change_to_package_layers(
      bench, run.result.changes,
      {installation.step, layers, run.diversions, installation.limits, installation.reuse});
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
