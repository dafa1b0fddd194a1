// Showing a build's events: `plain` lines, a live `tty` line, `json` objects (docs/formats/events.md), or
// nothing.
#pragma once

#include "base/event.hpp"
#include "cli/options.hpp"

#include <memory>

namespace dash::cli {

// A renderer that writes to standard error. `automatic` is tty on a terminal and plain elsewhere.
std::unique_ptr<EventSink> make_renderer(Progress progress);

}  // namespace dash::cli
