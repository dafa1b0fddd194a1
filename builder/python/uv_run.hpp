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

 private:
  const Workbench& bench_;
  fs::path program_;
  const UvSettings& settings_;
};

// What uv wrote when it failed, in the wording of the pinned release (uv_release.hpp): a line "error: …",
// then "  cause: …" lines, each with indented lines that belong to it, and "hint: …" paragraphs at the end.
// Another uv may write otherwise: then `parts` is empty and `text` is all of it.
struct UvErrors {
  std::vector<std::string> parts;  // the error and its causes, outermost first, without labels
  // Everything, with what builds wrote before, without uv's hints: they name options and files that nobody
  // can give here. Points into what was read.
  std::string_view text;
};
UvErrors read_uv_errors(std::string_view output);

// The Error for a repository that cannot be had: "PLACE: cannot get URL: WHY". WHY is the telling line of
// `reason`, what git wrote. `place` ("requirements.txt:3") may be empty, here and below. unavailable, denied
// where it asks for a password, invalid_input where there is no such revision.
Error git_failure(std::string_view place, std::string_view url, std::string_view reason,
                  std::string_view output);

// The Error(step_failed) for a source that does not build. `versions` of the package have a wheel.
Error build_failure(std::string_view place, std::string_view package, std::string_view output,
                    const std::vector<std::string>& versions);

// The text with user names and passwords of URLs removed.
std::string without_credentials(std::string_view text);

}  // namespace dash::builder
