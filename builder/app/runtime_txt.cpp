#include "builder/app/runtime_txt.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"

namespace dash::builder {

namespace {

constexpr const char* kFile = "runtime.txt";

// "3.11" or "3.11.7", each part a number without a leading zero.
std::optional<PythonVersionRequest> parse_version(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
  std::vector<unsigned> numbers;
  for (const auto part : parts) {
    const auto number = parse_uint(part);
    if (!number || *number > 999 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    numbers.push_back(static_cast<unsigned>(*number));
  }
  PythonVersionRequest out{numbers[0], numbers[1], std::nullopt};
  if (numbers.size() == 3) out.patch = numbers[2];
  return out;
}

}  // namespace

PythonVersionRequest::Match PythonVersionRequest::match(std::string_view version) const {
  const auto have = parse_version(version);
  if (!have || have->major != major || have->minor != minor) return Match::no;
  return !patch || patch == have->patch ? Match::yes : Match::other_patch;
}

std::string PythonVersionRequest::to_string() const {
  return patch ? concat(major, '.', minor, '.', *patch) : concat(major, '.', minor);
}

PythonVersionRequest parse_runtime_txt(std::string_view text) {
  static constexpr std::string_view kPrefix = "python-";
  const auto value = single_value(text, kFile, "python-3.11");
  const std::string_view word = value.text;
  if (word.starts_with(kPrefix))
    if (const auto request = parse_version(word.substr(kPrefix.size()))) return *request;
  if (to_lower(word).starts_with("pypy"))
    throw line_error(kFile, value.number, concat("PyPy is not supported: ", shown_line(word)))
        .with_hint("ask for CPython, for example \"python-3.11\" or \"python-3.11.7\"");
  throw line_error(kFile, value.number, concat(shown_line(word), " is not a Python version"))
      .with_hint("write \"python-3.11\" for the newest 3.11 there is, or \"python-3.11.7\" for that one");
}

std::optional<PythonVersionRequest> read_runtime_txt(const AppDirectory& app) {
  const auto text = read_text(app, kFile, Utf16::decode);
  if (!text) return std::nullopt;
  return parse_runtime_txt(*text);
}

}  // namespace dash::builder
