// runtime.txt: which Python a pip app wants.
#pragma once

#include "builder/app/app_directory.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace dash::builder {

// "3.11" (any patch level) or "3.11.7".
struct PythonVersionRequest {
  unsigned major = 0;
  unsigned minor = 0;
  std::optional<unsigned> patch;

  // How an interpreter's version ("3.11.2") answers it. `other_patch`: the same minor version, but not the
  // patch level that was asked for; usable with a warning.
  enum class Match { yes, other_patch, no };
  Match match(std::string_view version) const;
  std::string to_string() const;
  bool operator==(const PythonVersionRequest&) const = default;
};

// "python-3.11" or "python-3.11.7"; anything else is an Error that quotes it and shows both forms.
PythonVersionRequest parse_runtime_txt(std::string_view text);

// Nothing when the app has no runtime.txt.
std::optional<PythonVersionRequest> read_runtime_txt(const AppDirectory& app);

}  // namespace dash::builder
