// Any text as paths.json, and by lines as has_prefix: safe paths or an Error.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/package_paths.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view line : dash::split_lines(text)) dash::builder::parse_prefix_line(line);
  try {
    for (const auto& path : dash::builder::parse_paths_json(text, "demo")) {
      if (path.path.empty() || path.path.starts_with('/')) std::abort();
      for (const std::string_view part : dash::split(path.path, '/'))
        if (part.empty() || part == "." || part == "..") std::abort();
    }
  } catch (const dash::Error& error) {
    if (!dash::is_utf8(error.message())) std::abort();
  }
  return 0;
}
