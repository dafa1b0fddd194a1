// What a failed resolution means for the author of the app: which lines are wrong, why, and what to write.
// It reads uv's sentences in the wording of the pinned release (uv_release.hpp). With another uv (--uv
// or a moved pin) a sentence may not be recognised: then the message is general and shows uv's text.
#pragma once

#include "base/error.hpp"
#include "builder/app/requirements.hpp"
#include "builder/interpreter.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace dash::builder {

struct ResolveFailure {
  std::string errors;                  // uv's standard error, without credentials
  std::vector<RequirementLine> lines;  // in the order in which uv read them
  Interpreter interpreter;
  std::map<std::string, std::string> proxies;
  enum class Choice { any_file, wheels };
  // The newest versions of a package that can be installed here, newest first; may ask the index again.
  std::function<std::vector<std::string>(const std::string& name, Choice choice)> versions;
};

// invalid_input for unknown packages, versions that do not exist or do not fit, and contradictions;
// unavailable and denied for the index and repositories; step_failed for sources that do not build.
Error explain(const ResolveFailure& failure);

}  // namespace dash::builder
