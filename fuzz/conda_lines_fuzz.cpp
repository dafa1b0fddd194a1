// Any text as conda-requirements.txt: as lines in both readings, and as an explicit file that is the same
// when it is written and read again.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/explicit_lock.hpp"
#include "builder/conda/requirement_line.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

void check_lines(const std::string& text) {
  using dash::builder::CondaReading;
  const auto requirements = dash::builder::conda_requirements(text);
  for (const auto reading : {CondaReading::exact, CondaReading::match_spec}) {
    for (const auto& line : requirements.lines) {
      try {
        const auto found = read_requirement(line, reading, "c.txt");
        if (found.name.empty() == found.url.empty()) std::abort();
      } catch (const dash::Error& error) {
        if (error.code() != dash::ErrorCode::invalid_input) std::abort();
      }
    }
    try {
      requirement_warnings(requirements, reading, "c.txt");
    } catch (const dash::Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_lines(text);
  try {
    const auto lock = dash::builder::parse_explicit_lock("@EXPLICIT\n" + text, "c.txt");
    const std::string written = format_explicit_lock(lock);
    if (format_explicit_lock(dash::builder::parse_explicit_lock(written, "c.txt")) != written) std::abort();
    for (const auto& package : lock.packages)
      if (dash::contains(package.dist(), "/") || package.name().empty()) std::abort();
  } catch (const dash::Error& error) {
    if (error.code() != dash::ErrorCode::invalid_input) std::abort();
  }
  return 0;
}
