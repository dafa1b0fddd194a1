// What a host has and lacks for builds.
#pragma once

#include "builder/host.hpp"
#include "cli/options.hpp"

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dash::cli {

// What was looked at, what was found, and what to do when it is not good.
struct Finding {
  std::string subject;
  enum class Verdict { good, warning, bad } verdict = Verdict::good;
  std::string found;
  std::string advice;
};

std::string_view to_string(Finding::Verdict verdict);

// All checks, in the order in which a build would meet the problems. Leaves nothing behind and makes no
// store. Takes some seconds when the network does not answer.
std::vector<Finding> check_host(const DoctorOptions& options, const builder::HostSettings& host,
                                const std::stop_token& stop);

}  // namespace dash::cli
