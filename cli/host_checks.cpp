#include "cli/host_checks.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/disk_space.hpp"
#include "builder/python/uv_release.hpp"
#include "builder/sandbox/oci_sandbox.hpp"
#include "cli/host_environment.hpp"
#include "cli/settings.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <limits>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace dash::cli {

namespace {

using Verdict = Finding::Verdict;

constexpr std::uint64_t kComfortableBytes = 4'000'000'000;
constexpr std::uint64_t kComfortableInodes = 100'000;
constexpr std::uint64_t kLeastBytes = 500'000'000;
constexpr std::uint64_t kLeastInodes = 15'000;

std::string search_path(const builder::HostSettings& host) {
  const auto found = host.variables.find("PATH");
  return found == host.variables.end() ? kDefaultSearchPath : found->second;
}

// The nearest directory that exists.
fs::path existing_part(fs::path path) {
  boost::system::error_code ignored;
  while (path.has_parent_path() && !fs::is_directory(path, ignored)) path = path.parent_path();
  return path;
}

Finding check_configuration(const DoctorOptions& options, const builder::HostSettings& host) {
  if (!options.configuration_fault.empty())
    return {"configuration", Verdict::bad, options.configuration_fault,
            "mend it; docs/configuration.md lists the settings"};
  std::vector<std::string> files;
  boost::system::error_code ignored;
  for (const auto& file : configuration_files(host.variables))
    if (fs::exists(file, ignored)) files.push_back(file.string());
  std::vector<std::string> unknown;
  for (const auto& [name, value] : host.variables) {
    const auto is_name = [&name = name](const Setting& setting) { return setting.variable == name; };
    if (name.starts_with("DASH_BUILD_") && name != "DASH_BUILD_CONFIG" &&
        std::none_of(all_settings().begin(), all_settings().end(), is_name))
      unknown.push_back(name);
  }
  if (!unknown.empty())
    return {"configuration", Verdict::warning, concat(join(unknown, ", "), " set, which has no meaning"),
            "'dash-build config' shows what is set"};
  return {"configuration", Verdict::good, files.empty() ? "no files" : join(files, ", "), ""};
}

Finding check_machine(const builder::HostSettings& host) {
  for (const auto& wheel : builder::kUvWheels)
    if (wheel.machine == host.machine) return {"machine", Verdict::good, host.machine, ""};
  return {"machine", Verdict::warning, concat(host.machine, " is not tested, and has no pinned uv"),
          "name a uv with --uv, and an image for this machine with --base"};
}

constexpr const char* kNamespaces = "namespaces";
constexpr const char* kOverlay = "overlay";

// Mounts an overlay on the store's file system, as a build does, in namespaces of its own.
void try_overlay(const builder::HostSettings& host, const fs::path& place, const std::stop_token& stop) {
  const TempDirectory directory(place);
  for (const char* name : {"lower", "upper", "work", "root"}) make_directories(directory.path() / name);
  const auto base = directory.path().string();
  const auto root = base + "/root";
  const auto settings = concat("lowerdir=", base, "/lower,upperdir=", base, "/upper,workdir=", base, "/work");
  ProcessOptions options;
  options.argv = {"true"};
  options.environment = {concat("PATH=", search_path(host))};
  options.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
  options.prepare = [&]() -> const char* {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kNamespaces;
    return ::mount("overlay", root.c_str(), "overlay", 0, settings.c_str()) == 0 ? nullptr : kOverlay;
  };
  run_process(options, stop);
}

Finding check_namespaces(const builder::HostSettings& host, const fs::path& home,
                         const std::stop_token& stop) {
  if (::geteuid() != 0)
    return {kNamespaces, Verdict::bad, "this is not root", "run it as root, with sudo for example"};
  const auto place = existing_part(home);
  try {
    try_overlay(host, place, stop);
  } catch (const StartError& error) {
    if (error.step() != kOverlay) return {kNamespaces, Verdict::bad, error.message(), error.hint()};
    if (error.error_number() == ENODEV)
      return {"overlayfs", Verdict::bad, "the kernel has none", "modprobe overlay"};
    return {
        "overlayfs", Verdict::bad, concat(error.message(), " in ", place.string()),
        "set DASH_BUILD_HOME to a directory on ext4, xfs, btrfs or tmpfs; inside a container, to a volume"};
  } catch (const Error& error) {
    if (error.code() == ErrorCode::canceled) throw;
    return {kNamespaces, Verdict::bad, error.message(), error.hint()};
  }
  return {kNamespaces, Verdict::good, "namespaces and overlayfs work", ""};
}

Finding check_runtime(const builder::HostSettings& host) {
  if (const auto problem = builder::OciSandbox::find_problem(host))
    return {"runtime", Verdict::bad, problem->message(), problem->hint()};
  for (const char* name : {"crun", "runc"})
    if (const auto path = find_program(name, search_path(host)))
      return {"runtime", Verdict::good, path->string(), ""};
  return {"runtime", Verdict::good, "installed", ""};
}

Finding check_bootstrap(const DoctorOptions& options, const builder::HostSettings& host) {
  if (!options.base.empty()) return {"base image", Verdict::good, options.base, ""};
  for (const char* name : {"mmdebstrap", "apt-get"})
    if (!find_program(name, search_path(host)))
      return {"base image", Verdict::bad, concat(name, " is not there; it makes the default base image"),
              "apt-get install mmdebstrap, or use --base"};
  return {"base image", Verdict::good, "mmdebstrap and apt", ""};
}

bool has_pip(const builder::HostSettings& host, const std::stop_token& stop) {
  ProcessOptions options;
  options.argv = {"python3", "-m", "pip", "--version"};
  options.environment = host.environment;
  try {
    return run_process(options, stop).ok();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::canceled) throw;
    return false;
  }
}

Finding check_uv(const DoctorOptions& options, const fs::path& home, bool pip) {
  if (!options.uv.empty()) {
    if (::access(options.uv.c_str(), X_OK) == 0) return {"uv", Verdict::good, options.uv.string(), ""};
    return {"uv", Verdict::bad, concat(options.uv.string(), " is not a program"),
            "name an executable file, or none to use the pinned release"};
  }
  const auto pinned = home / "tools" / concat("uv-", builder::kUvVersion) / "uv";
  if (::access(pinned.c_str(), X_OK) == 0) return {"uv", Verdict::good, pinned.string(), ""};
  if (pip) return {"uv", Verdict::good, concat(builder::kUvVersion, " will be fetched with pip"), ""};
  return {"uv", Verdict::bad, "not in the store, and there is no pip to fetch it",
          "apt-get install python3-pip, or name a uv with --uv"};
}

// pip is the one that knows which index this machine uses, and how to reach it.
Finding check_index(const DoctorOptions& options, const builder::HostSettings& host, bool pip,
                    const std::stop_token& stop) {
  if (options.offline) return {"package index", Verdict::good, "not asked: offline", ""};
  if (!pip)
    return {"package index", Verdict::warning, "not asked: there is no pip", "apt-get install python3-pip"};
  ProcessOptions ask;
  ask.argv = {"timeout",   "20", "python3",   "-m", "pip",   "--disable-pip-version-check",
              "--timeout", "8",  "--retries", "0",  "index", "versions",
              "uv"};
  ask.environment = host.environment;
  const auto result = run_process(ask, stop);
  if (result.ok()) return {"package index", Verdict::good, "answers", ""};
  return {"package index", Verdict::warning, "does not answer pip",
          "check the network, PIP_INDEX_URL and the proxy; 'python3 -m pip index versions uv' tells more"};
}

Finding check_proxy(const builder::HostSettings& host) {
  std::vector<std::string> words;
  for (const auto& [name, value] : host.proxies) {
    words.push_back(concat(name, "=", redact_url(value)));
    const auto scheme = value.find("://");
    if (to_lower(name) != "no_proxy" && !value.empty() && scheme == std::string::npos)
      return {"proxy", Verdict::warning, words.back(),
              concat("write it as a URL: http://", redact_url(value))};
  }
  return {"proxy", Verdict::good, words.empty() ? "none" : join(words, ", "), ""};
}

Finding check_certificates(const builder::HostSettings& host) {
  if (!host.ca_bundle.empty()) return {"certificates", Verdict::good, host.ca_bundle.string(), ""};
  return {"certificates", Verdict::bad, "no bundle of trusted certificates found",
          "apt-get install ca-certificates, or set SSL_CERT_FILE"};
}

// A clock that is wrong by years makes every certificate and every signature of packages invalid.
Finding check_clock() {
  constexpr std::time_t kThisWasWritten = 1'790'000'000;
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::array<char, 32> text{};
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (now < kThisWasWritten)
    return {"clock", Verdict::warning, concat("it says ", text.data()),
            "set the time: certificates depend on it"};
  return {"clock", Verdict::good, text.data(), ""};
}

Finding check_disk(const fs::path& home) {
  const auto place = existing_part(home);
  const auto left = builder::free_space(place);
  auto text = concat(home.string(), ", ", human_size(left.bytes), " free");
  if (left.inodes != std::numeric_limits<std::uint64_t>::max()) text += concat(", ", left.inodes, " inodes");
  if (::access(place.c_str(), W_OK) != 0)
    return {"store", Verdict::bad, text + ", not writable",
            "run as root, or set DASH_BUILD_HOME to a writable directory"};
  const auto advice =
      "a build with some large packages takes 4 GB; run 'dash-build gc', or set DASH_BUILD_HOME "
      "to another disk";
  if (left.bytes < kLeastBytes || left.inodes < kLeastInodes) return {"store", Verdict::bad, text, advice};
  if (left.bytes < kComfortableBytes || left.inodes < kComfortableInodes)
    return {"store", Verdict::warning, text, advice};
  return {"store", Verdict::good, text, ""};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::good:
      return "good";
    case Verdict::warning:
      return "warning";
    case Verdict::bad:
      break;
  }
  return "bad";
}

std::vector<Finding> check_host(const DoctorOptions& options, const builder::HostSettings& host,
                                const std::stop_token& stop) {
  const auto home = store_home(options.common.home, host.variables);
  const bool pip = has_pip(host, stop);
  return {check_configuration(options, host),
          check_machine(host),
          check_disk(home),
          check_namespaces(host, home, stop),
          check_runtime(host),
          check_bootstrap(options, host),
          check_certificates(host),
          check_proxy(host),
          check_clock(),
          check_uv(options, home, pip),
          check_index(options, host, pip, stop)};
}

}  // namespace dash::cli
