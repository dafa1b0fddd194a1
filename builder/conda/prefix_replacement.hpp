// Replacing the prefix that a package was built for by the one it is installed to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dash::builder {

struct Replacement {
  enum class Mode : std::uint8_t { none, text, binary } mode = Mode::none;
  std::string placeholder = {};
  std::string prefix = {};
};

// Text: every occurrence, and a first line "#!…" that Linux would cut off becomes one that asks env for the
// program. Binary: within each zero-terminated string every occurrence; the string's rest moves up and zeros
// fill its end, so that the size stays. Error(unsupported) where the prefix is longer than a binary's
// placeholder.
std::string replace_prefix(std::string_view content, const Replacement& replacement);

}  // namespace dash::builder
