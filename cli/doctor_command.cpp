// `doctor` and `version`: what this host has and lacks for builds.
#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/sandbox/oci_sandbox.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/report.hpp"
#include "cli/version.hpp"

#include <iostream>

#include <sys/statvfs.h>
#include <unistd.h>

namespace dash::cli {

namespace {

// One line of the report: what was looked at, what was found, and what to do when it is not good.
struct Finding {
  std::string subject;
  enum class Verdict { good, warning, bad } verdict = Verdict::good;
  std::string found;
  std::string advice;
};

using Verdict = Finding::Verdict;

Finding check_sandbox(const builder::HostSettings& host) {
  const auto problem = builder::OciSandbox::find_problem(host);
  if (!problem) return {"sandbox", Verdict::good, "commands can run in containers", ""};
  return {"sandbox", Verdict::bad, problem->message(), problem->hint()};
}

Finding check_program(const std::string& name, const std::string& search_path, const std::string& purpose,
                      const std::string& advice) {
  if (const auto path = find_program(name, search_path)) return {name, Verdict::good, path->string(), ""};
  return {name, Verdict::bad, concat("not found; needed to ", purpose), advice};
}

Finding check_pip(const builder::HostSettings& host, const std::stop_token& stop) {
  ProcessOptions options;
  options.argv = {"python3", "-m", "pip", "--version"};
  options.environment = host.environment;
  try {
    const auto words = run_checked(options, stop);
    return {"pip", Verdict::good, std::string(trim(words)), ""};
  } catch (const Error&) {
    return {"pip", Verdict::warning, "not found; needed once, to fetch uv from the package index",
            "apt-get install python3-pip, or name a uv with --uv"};
  }
}

Finding check_certificates(const builder::HostSettings& host) {
  if (!host.ca_bundle.empty()) return {"certificates", Verdict::good, host.ca_bundle.string(), ""};
  return {"certificates", Verdict::bad, "no bundle of trusted certificates found",
          "apt-get install ca-certificates, or set SSL_CERT_FILE"};
}

Finding check_disk(const fs::path& home) {
  auto place = home;
  while (!place.empty() && ::access(place.c_str(), F_OK) != 0) place = place.parent_path();
  struct statvfs info {};
  if (::statvfs(place.c_str(), &info) != 0)
    return {"store", Verdict::bad, concat(home.string(), " cannot be looked at"),
            "set DASH_BUILD_HOME to a writable directory"};
  const auto free_bytes = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  const auto text =
      concat(home.string(), ", ", human_size(free_bytes), " and ", info.f_favail, " inodes free");
  if (::access(place.c_str(), W_OK) != 0)
    return {"store", Verdict::bad, text + ", not writable",
            "run as root, or set DASH_BUILD_HOME to a writable directory"};
  if (free_bytes < 4'000'000'000ULL)
    return {"store", Verdict::warning, text,
            "a build with a few large packages needs about 4 GB; see 'dash-build gc'"};
  return {"store", Verdict::good, text, ""};
}

}  // namespace

int run_command(const DoctorOptions& options, std::stop_token stop) {
  const auto host = read_host_settings(options.common);
  const auto path = host.variables.contains("PATH") ? host.variables.at("PATH") : std::string();
  const std::vector<Finding> findings = {
      check_sandbox(host),
      check_program("mmdebstrap", path, "make the default base image",
                    "apt-get install mmdebstrap, or use --base"),
      check_pip(host, stop),
      check_certificates(host),
      check_disk(store_home(options.common.home, host.variables)),
  };
  bool bad = false;
  for (const auto& finding : findings) {
    const char* mark = finding.verdict == Verdict::good      ? "ok  "
                       : finding.verdict == Verdict::warning ? "warn"
                                                             : "FAIL";
    std::cout << mark << ' ' << pad(finding.subject, 13) << ' ' << finding.found << '\n';
    if (!finding.advice.empty()) std::cout << pad("", 19) << "→ " << finding.advice << '\n';
    bad = bad || finding.verdict == Verdict::bad;
  }
  return bad ? exit_code(ErrorCode::unsupported) : 0;
}

int run_command(const VersionOptions&, std::stop_token) {
  std::cout << "dash-build " << kVersion << '\n';
  return 0;
}

int run_command(const ParseEnd& end, std::stop_token) {
  (end.exit_code == 0 ? std::cout : std::cerr) << end.text;
  return end.exit_code;
}

}  // namespace dash::cli
