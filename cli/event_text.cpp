#include "cli/event_text.hpp"

#include "base/text.hpp"

#include <array>
#include <cstdio>

namespace dash::cli {

std::string seconds_text(std::chrono::duration<double> time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), time.count() < 10 ? "%.2f s" : "%.1f s", time.count());
  return text.data();
}

std::string step_prefix(const std::string& step) {
  return step.empty() ? std::string() : concat('[', step, "] ");
}

void print_line(const std::string& line) {
  const auto text = line + '\n';
  [[maybe_unused]] const auto written = std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace dash::cli
