#include "builder/conda/prefix_replacement.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

// Linux reads this much of a script's first line (BINPRM_BUF_SIZE was 128 for long, with the ending zero).
constexpr std::size_t kMaxShebang = 127;

std::string replace_all(std::string_view content, const std::string& from, const std::string& to) {
  std::string out;
  out.reserve(content.size());
  for (std::size_t at = 0;;) {
    const std::size_t found = content.find(from, at);
    out.append(content.substr(at, found - at));
    if (found == std::string_view::npos) return out;
    out.append(to);
    at = found + from.size();
  }
}

// "#!/long/path/bin/python -x" → "#!/usr/bin/env python -x". Blanks in the path are written as "\ ".
void shorten_shebang(std::string& text) {
  if (!text.starts_with("#!")) return;
  const std::size_t line_end = std::min(text.find_first_of("\r\n"), text.size());
  std::size_t start = 2;
  while (start < line_end && text[start] == ' ') ++start;
  std::size_t end = start;
  while (end < line_end && (text[end] != ' ' || text[end - 1] == '\\')) ++end;
  const std::string_view program = std::string_view(text).substr(start, end - start);
  if (program.empty() || (line_end <= kMaxShebang && !contains(program, "\\ "))) return;
  const std::string_view name = program.substr(program.rfind('/') + 1);
  text.replace(0, end, concat("#!/usr/bin/env ", name));
}

std::string replace_in_strings(std::string_view content, const std::string& from, const std::string& to) {
  std::string out(content);
  for (std::size_t at = content.find(from); at != std::string_view::npos;) {
    const std::size_t end = content.find('\0', at);
    if (end == std::string_view::npos) break;  // no string, so nothing can move up
    const std::string changed = replace_all(content.substr(at, end - at), from, to);
    std::fill(std::copy(changed.begin(), changed.end(), out.begin() + static_cast<std::ptrdiff_t>(at)),
              out.begin() + static_cast<std::ptrdiff_t>(end), '\0');
    at = content.find(from, end);
  }
  return out;
}

}  // namespace

std::string replace_prefix(std::string_view content, const Replacement& replacement) {
  const auto& [mode, placeholder, prefix] = replacement;
  if (mode == Replacement::Mode::none || placeholder.empty()) return std::string(content);
  if (mode == Replacement::Mode::text) {
    std::string out = replace_all(content, placeholder, prefix);
    shorten_shebang(out);
    return out;
  }
  if (prefix.size() > placeholder.size() && content.find(placeholder) != std::string_view::npos)
    throw Error(ErrorCode::unsupported,
                concat("the package can be installed to paths of at most ", placeholder.size(),
                       " characters, and ", prefix, " has ", prefix.size()))
        .with_hint("Use a newer build of the package.");
  return replace_in_strings(content, placeholder, prefix);
}

}  // namespace dash::builder
