#include "cli/renderers.hpp"

#include <unistd.h>

namespace dash::cli {

std::unique_ptr<EventSink> make_renderer(Progress progress,
                                         const std::map<std::string, std::string>& variables) {
  const auto value = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
  const bool dumb = value("TERM").empty() || value("TERM") == "dumb";
  if (progress == Progress::automatic)
    progress = ::isatty(STDERR_FILENO) != 0 && !dumb ? Progress::tty : Progress::plain;
  switch (progress) {
    case Progress::tty:
      // https://no-color.org: set and not empty.
      return make_tty_renderer(dumb || !value("NO_COLOR").empty() ? Colour::off : Colour::on);
    case Progress::json:
      return make_json_renderer();
    case Progress::quiet:
      return make_quiet_renderer();
    case Progress::plain:
    case Progress::automatic:
      break;
  }
  return make_plain_renderer();
}

}  // namespace dash::cli
