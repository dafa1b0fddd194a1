// `doctor` and `version`: what this host has and lacks for builds.
#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/host_checks.hpp"
#include "cli/host_environment.hpp"
#include "cli/report.hpp"
#include "cli/version.hpp"

#include <algorithm>
#include <iostream>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Verdict = Finding::Verdict;
using Json = nlohmann::ordered_json;

void print(const std::vector<Finding>& findings) {
  for (const auto& finding : findings) {
    const char* mark = finding.verdict == Verdict::good      ? "ok  "
                       : finding.verdict == Verdict::warning ? "warn"
                                                             : "FAIL";
    std::cout << mark << ' ' << pad(finding.subject, 13) << ' ' << finding.found << '\n';
    if (!finding.advice.empty()) std::cout << pad("", 19) << "→ " << finding.advice << '\n';
  }
}

void print_json(const std::vector<Finding>& findings, bool good) {
  Json out;
  out["ok"] = good;
  out["findings"] = Json::array();
  for (const auto& finding : findings)
    out["findings"].push_back({{"subject", finding.subject},
                               {"verdict", to_string(finding.verdict)},
                               {"found", finding.found},
                               {"advice", finding.advice}});
  std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace

int run_command(const DoctorOptions& options, std::stop_token stop) {
  const auto findings = check_host(options, read_host_settings(options.common), stop);
  const bool bad = std::any_of(findings.begin(), findings.end(),
                               [](const Finding& finding) { return finding.verdict == Verdict::bad; });
  if (options.json)
    print_json(findings, !bad);
  else
    print(findings);
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
