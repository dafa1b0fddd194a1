// How events read, for the renderers that show text.
#pragma once

#include "base/event.hpp"

#include <chrono>
#include <string>

namespace dash::cli {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

// "1.25 s", "61.2 s".
std::string seconds_text(std::chrono::duration<double> time);
// "[step] ", or nothing for the whole build.
std::string step_prefix(const std::string& step);
// The line with a newline, in one write to standard error.
void print_line(const std::string& line);

}  // namespace dash::cli
