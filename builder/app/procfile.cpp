#include "builder/app/procfile.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

constexpr std::string_view kFile = "Procfile";
// Types become parts of host names and labels, which end at 63 characters (RFC 1123 section 2.1).
constexpr std::size_t kMaxType = 63;
constexpr const char* kLineHint = "a line reads TYPE: COMMAND, for example \"web: gunicorn app:server\"";

bool is_type_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool starts_comment(std::string_view text) {
  return text.starts_with('#') || text.starts_with("//");
}

// Cuts a comment that follows a blank. Quoted text is left alone: a shell sees no comment in it either.
std::string_view without_comment(std::string_view command) {
  char quote = 0;
  for (std::size_t at = 0; at < command.size(); ++at) {
    const char c = command[at];
    if (quote != 0) {
      if (c == '\\' && quote == '"')
        ++at;
      else if (c == quote)
        quote = 0;
    } else if (c == '\\') {
      ++at;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (at > 0 && (command[at - 1] == ' ' || command[at - 1] == '\t') &&
               starts_comment(command.substr(at))) {
      return command.substr(0, at);
    }
  }
  return command;
}

Error bad_line(std::size_t number, std::string_view what) {
  return line_error(kFile, number, what).with_hint(kLineHint);
}

ProcfileEntry parse_line(std::string_view line, std::size_t number) {
  if (is_conflict_marker(line))
    throw line_error(kFile, number, concat(shown_line(line), " was left by a merge conflict"))
        .with_hint("resolve the conflict: keep the lines that are right and remove the markers");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos)
    throw bad_line(number, concat("no ':' after the process type in ", shown_line(line)));
  const auto type = line.substr(0, colon);
  if (type.empty()) throw bad_line(number, concat("no process type in front of ':' in ", shown_line(line)));
  if (trim(type).size() != type.size())
    throw bad_line(number, concat("a blank in front of ':' in ", shown_line(line)));
  if (!std::all_of(type.begin(), type.end(), is_type_char))
    throw bad_line(number,
                   concat(shown_line(type), " is not a process type (letters, digits, '-' and '_') in ",
                          shown_line(line)));
  if (type.size() > kMaxType)
    throw bad_line(number, concat("the process type ", shown_line(type), " has ", type.size(),
                                  " characters, but at most ", kMaxType, " are possible"));
  const auto rest = trim(line.substr(colon + 1));
  if (rest.empty()) throw bad_line(number, concat("no command for '", type, "' in ", shown_line(line)));
  if (starts_comment(rest))
    throw bad_line(number, concat("a comment instead of a command for '", type, "' in ", shown_line(line)));
  return {std::string(type), std::string(trim(without_comment(rest))), number};
}

}  // namespace

Procfile Procfile::parse(std::string_view text) {
  Procfile out;
  std::size_t number = 0;
  for (const auto raw : split_lines(text)) {
    ++number;
    const auto line = trim(raw);
    if (line.empty() || starts_comment(line)) continue;
    auto entry = parse_line(line, number);
    if (const auto* first = out.find(entry.type))
      throw line_error(kFile, number,
                       concat("the process type '", entry.type, "' is already on line ", first->line))
          .with_hint("give each process type one line; how many of them run is set by the scale");
    out.entries_.push_back(std::move(entry));
  }
  if (out.entries_.empty())
    throw Error(ErrorCode::invalid_input, "Procfile has no process types").with_hint(kLineHint);
  return out;
}

const ProcfileEntry* Procfile::find(std::string_view type) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.type == type; });
  return found == entries_.end() ? nullptr : &*found;
}

Procfile read_procfile(const AppDirectory& app) {
  // The launcher in the image reads the file as it is, so it has to be UTF-8 there.
  const auto text = read_text(app, std::string(kFile), Utf16::refuse);
  if (!text)
    throw Error(ErrorCode::invalid_input, concat("there is no Procfile in ", app.path().string()))
        .with_hint(
            "add a file Procfile with a line like \"web: gunicorn app:server\" (the module app.py, its "
            "server)");
  return Procfile::parse(*text);
}

bool is_reserved_process_type(std::string_view type) {
  return type == "web" || type == "release";
}

}  // namespace dash::builder
