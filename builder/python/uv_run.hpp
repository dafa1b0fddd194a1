// Running uv in the sandbox: where it, its cache and the package index settings are seen, and what its
// failures mean.
#pragma once

#include "base/error.hpp"
#include "builder/python/uv_settings.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

class UvCommand {
 public:
  // `program` is on the host; `settings` must outlive this.
  UvCommand(const Workbench& bench, fs::path program, const UvSettings& settings)
      : bench_(bench), program_(std::move(program)), settings_(settings) {}

  // A command for `uv ARGUMENTS…` with environment, mounts and network set; layers are the caller's.
  SandboxCommand command(const std::vector<std::string>& arguments) const;

  // Emits a line of uv's standard error as StepLog (credentials hidden) and adds it to `errors`, up to 64
  // KiB.
  void collect(const std::string& step, std::string_view line, std::string& errors) const;

 private:
  const Workbench& bench_;
  fs::path program_;
  const UvSettings& settings_;
};

// The Error for a failed uv command: `what` and uv's own explanation. invalid_input for unknown packages,
// conflicts and bad lines; step_failed for builds; unavailable, denied or corrupt for transfers.
Error uv_failure(std::string_view what, std::string_view errors);

// The line with user names and passwords of URLs removed.
std::string without_credentials(std::string_view line);

}  // namespace dash::builder
