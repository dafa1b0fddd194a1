// Showing a build's events on standard error: `plain` lines, a live `tty` display, `json` objects
// (docs/formats/events.md), or only warnings.
#pragma once

#include "base/event.hpp"
#include "cli/options.hpp"

#include <map>
#include <memory>
#include <string>

namespace dash::cli {

enum class Colour { on, off };

// `automatic` is tty on a terminal that can move its cursor, and plain elsewhere. NO_COLOR and TERM of
// `variables` decide on colour.
std::unique_ptr<EventSink> make_renderer(Progress progress,
                                         const std::map<std::string, std::string>& variables);

// One line per event; transfers only when they are done.
std::unique_ptr<EventSink> make_plain_renderer();
// One JSON object per line.
std::unique_ptr<EventSink> make_json_renderer();
// What is done stays as one line per step; below it what the running step does now.
std::unique_ptr<EventSink> make_tty_renderer(Colour colour);
std::unique_ptr<EventSink> make_quiet_renderer();

}  // namespace dash::cli
