#include "base/event.hpp"

namespace dash {

std::string_view to_string(Decision decision) {
  switch (decision) {
    case Decision::reuse:
      return "reuse";
    case Decision::fetch:
      return "fetch";
    case Decision::build:
      return "build";
    case Decision::skip:
      return "skip";
  }
  return "build";
}

}  // namespace dash
