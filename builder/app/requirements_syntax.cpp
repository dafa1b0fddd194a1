#include "builder/app/requirements_syntax.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"
#include "builder/packages/package_name.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace dash::builder {

namespace {

using Entry = RequirementsEntry;
using Kind = RequirementsEntry::Kind;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Lines joined at a trailing "\", without comments; the number is that of the first part.
std::vector<TextLine> logical_lines(std::string_view text, std::string_view file) {
  std::vector<TextLine> out;
  std::size_t number = 0;
  bool open = false;
  const auto finish = [&] {
    auto& line = out.back().text;
    for (auto at = line.find('#'); at != std::string::npos; at = line.find('#', at + 1))
      if (at == 0 || is_blank(line[at - 1])) {
        line.erase(at);
        break;
      }
    line = std::string(trim(line));
    if (line.empty()) out.pop_back();
    open = false;
  };
  for (auto line : split_lines(text)) {
    ++number;
    if (!is_utf8(line))
      throw line_error(file, number, "the line is not UTF-8 text").with_hint("save the file as UTF-8 text");
    if (!open) out.push_back({number, ""});
    open = true;
    // A comment ends the joined lines, also when it ends with a "\" itself.
    const bool comment = trim(line).starts_with('#');
    const bool goes_on = line.ends_with('\\') && !comment;
    if (goes_on) line.remove_suffix(1);
    if (comment) out.back().text += ' ';
    out.back().text += line;
    if (!goes_on) finish();
  }
  if (open) finish();
  return out;
}

struct Option {
  std::string_view name;
  char letter;  // 0: none
  enum class Value { none, required } value;
  Kind kind;
};

using Value = Option::Value;
constexpr std::array<Option, 17> kOptions = {{
    {"--requirement", 'r', Value::required, Kind::include},
    {"--constraint", 'c', Value::required, Kind::constraint},
    {"--editable", 'e', Value::required, Kind::path},
    {"--index-url", 'i', Value::required, Kind::index_url},
    {"--pypi-url", 0, Value::required, Kind::index_url},
    {"--extra-index-url", 0, Value::required, Kind::extra_index_url},
    {"--no-index", 0, Value::none, Kind::no_index},
    {"--find-links", 'f', Value::required, Kind::find_links},
    {"--trusted-host", 0, Value::required, Kind::trusted_host},
    {"--no-binary", 0, Value::required, Kind::binary},
    {"--only-binary", 0, Value::required, Kind::binary},
    {"--prefer-binary", 0, Value::none, Kind::unused},
    {"--require-hashes", 0, Value::none, Kind::require_hashes},
    {"--pre", 0, Value::none, Kind::pre},
    {"--use-feature", 0, Value::required, Kind::unused},
    {"--hash", 0, Value::required, Kind::hash},
    {"--config-settings", 'C', Value::required, Kind::unused},
}};
// Known to pip, but not to uv: refused with their own reason.
constexpr std::array<std::string_view, 4> kLegacyOptions = {"--global-option", "--install-option",
                                                            "--always-unzip", "--process-dependency-links"};

constexpr std::array<std::string_view, 10> kArchives = {".whl", ".zip", ".tar.gz",  ".tgz", ".tar",
                                                        ".tbz", ".txz", ".tar.bz2", ".tlz", ".tar.xz"};
constexpr const char* kExampleHint = "write one requirement per line, for example \"dash==3.2.0\"";

bool is_archive_name(std::string_view name) {
  const auto lower = to_lower(name);
  return std::any_of(kArchives.begin(), kArchives.end(),
                     [&](std::string_view end) { return lower.ends_with(end); });
}

// The words of an option part as a shell splits them; nothing when a quote is not closed.
std::optional<std::vector<std::string>> shell_words(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote == '\'' ? c != '\'' : quote == '"' && c != '"' && c != '\\') {
      word += c;
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && is_blank(c)) {
      if (in_word) out.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      in_word = true;
      if (c == '\\') {
        if (++at >= text.size()) return std::nullopt;
        word += text[at];
      } else if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else {
        word += c;
      }
    }
  }
  if (quote != 0) return std::nullopt;
  if (in_word) out.push_back(std::move(word));
  return out;
}

// Parses one logical line into entries.
class LineParser {
 public:
  LineParser(const TextLine& line, std::string_view file, RequirementsText& out)
      : line_(line), text_(line.text), file_(file), out_(out) {}

  void run() {
    if (is_conflict_marker(text_))
      throw bad(" was left by a merge conflict", "resolve the conflict and remove the markers");
    if (to_lower(text_).starts_with("pip install ") || to_lower(text_).starts_with("conda install "))
      throw bad(" is a command, not a requirement", kExampleHint);
    // What comes before the first word that starts with "-" is the requirement, the rest are options.
    std::size_t options = 0;
    while (options < text_.size() &&
           !(text_[options] == '-' && (options == 0 || is_blank(text_[options - 1]))))
      ++options;
    const auto requirement = trim(text_.substr(0, options));
    if (!requirement.empty()) parse_requirement(requirement);
    if (options < text_.size())
      parse_options(text_.substr(options), requirement.empty() ? Place::alone : Place::after_requirement);
  }

 private:
  enum class Place { alone, after_requirement };

  Error bad(std::string_view what, std::string hint) const {
    return line_error(file_, line_.number, concat(shown_line(text_), what)).with_hint(std::move(hint));
  }

  Entry& add(Kind kind, std::string_view value, std::string_view name = {}, std::string_view text = {}) {
    out_.entries.push_back({kind, Entry::Mode::regular, std::string(value), normal_package_name(name),
                            line_.number, std::string(text)});
    return out_.entries.back();
  }

  void parse_options(std::string_view text, Place place) {
    const auto words = shell_words(text);
    if (!words) throw bad(": a quote is never closed", "close the quote or remove it");
    for (std::size_t at = 0; at < words->size(); ++at) {
      const std::string& word = (*words)[at];
      if (word.starts_with(';')) return;  // a marker after "-e PATH"
      const auto* option = find_option(word);
      std::string value;
      const bool attached = word.starts_with("--") ? contains(word, "=") : word.size() > 2;
      if (option->value == Value::none) {
        if (attached) throw bad(concat(": ", option->name, " takes no value"), "remove the value");
      } else if (attached) {
        value = word.starts_with("--") ? word.substr(word.find('=') + 1) : word.substr(2);
      } else if (at + 1 < words->size()) {
        value = (*words)[++at];
      }
      value = std::string(trim(value));
      if (option->value == Value::required && value.empty())
        throw bad(concat(": ", option->name, " lacks its value"), option_hint(*option));
      use_option(*option, value, place);
    }
  }

  const Option* find_option(const std::string& word) const {
    const std::string name = word.substr(0, word.find('='));
    for (const auto& option : kOptions)
      if (word.starts_with("--")
              ? name == option.name
              : option.letter != 0 && word.size() >= 2 && word[0] == '-' && word[1] == option.letter)
        return &option;
    if (!word.starts_with('-'))
      throw bad(concat(": unexpected ", shown_line(word)),
                "put each requirement and each option on a line of its own");
    if (std::find(kLegacyOptions.begin(), kLegacyOptions.end(), name) != kLegacyOptions.end())
      throw bad(concat(": ", name, " is not supported"), "use --config-settings, or remove the option");
    throw bad(
        concat(": ", shown_line(name), " is not an option of requirements files"),
        "remove it; possible are -r, -c, -e, --index-url, --extra-index-url, --no-index, --find-links, "
        "--trusted-host, --no-binary, --only-binary, --prefer-binary, --pre, --require-hashes and --hash");
  }

  static std::string option_hint(const Option& option) {
    switch (option.kind) {
      case Kind::include:
      case Kind::constraint:
        return concat("name a file, for example \"-", option.letter, " base.txt\"");
      case Kind::path:
        return "name a directory, for example \"-e .\"";
      default:
        return concat("write it as \"", option.name, " VALUE\"");
    }
  }

  void use_option(const Option& option, const std::string& value, Place place) {
    const bool per_requirement = option.name == "--hash" || option.name == "--config-settings";
    if (place == Place::after_requirement && !per_requirement)
      throw bad(concat(": ", option.name, " can't follow a requirement"), "put it on a line of its own");
    if (place == Place::alone && option.name == "--hash")
      throw bad(": --hash without a requirement",
                "put it on the requirement's line, or end that line with a \\ to continue it");
    if (option.name == "--hash") {
      if (!contains(value, ":"))
        throw bad(": --hash is not ALGORITHM:HEX", "for example --hash=sha256:2cf24d...");
    }
    if (option.kind == Kind::path) return parse_editable(value);
    if (option.kind == Kind::binary)
      add(option.kind, concat(option.name, ' ', value));
    else
      add(option.kind, option.kind == Kind::unused ? option.name : std::string_view(value));
  }

  void parse_editable(std::string_view value) {
    const auto kind = kind_of_target(value);
    const std::string marker(text_.substr(std::min(text_.find(" ;"), text_.size())));
    if (kind == Kind::vcs) {
      add(Kind::vcs, value, egg_of(value), concat(value, marker)).mode = Entry::Mode::editable;
      return;
    }
    if (kind != Kind::path)
      throw bad(": only a directory or a version control URL can be editable",
                "name the directory, for example \"-e ./mypackage\" or \"-e .\", or drop the -e");
    add(Kind::path, path_of(value), {}, concat(value, marker)).mode = Entry::Mode::editable;
  }

  // What a text that is not just a name refers to; nothing when it is a name.
  static std::optional<Kind> kind_of_target(std::string_view target) {
    const auto lower = to_lower(target);
    for (const std::string_view vcs : {"git+", "hg+", "svn+", "bzr+"})
      if (lower.starts_with(vcs)) return Kind::vcs;
    if (lower.starts_with("http://") || lower.starts_with("https://")) return Kind::url;
    if (lower.starts_with("file:") || target.starts_with('.') || target.starts_with('/') ||
        target.starts_with('~'))
      return Kind::path;
    const auto word = target.substr(0, target.find_first_of(" \t;[#=<>!~"));
    if (word.find_first_of("/\\") != std::string_view::npos || is_archive_name(word)) return Kind::path;
    return std::nullopt;
  }

  // The path alone: no marker, fragment or extras.
  static std::string_view path_of(std::string_view target) {
    target = trim(target.substr(0, std::min(target.find(" ;"), target.find("; "))));
    target = target.substr(0, target.find('#'));
    if (target.ends_with(']')) target = target.substr(0, target.rfind('['));
    return trim(target);
  }

  // The name in "…#egg=NAME[extra]&…", or nothing.
  static std::string_view egg_of(std::string_view url) {
    constexpr std::string_view kEgg = "egg=";
    const auto at = url.find(kEgg, std::min(url.find('#'), url.size()));
    return at == std::string_view::npos ? "" : name_in(url.substr(at + kEgg.size()));
  }

  // `requirement` is the whole, with name and marker.
  void add_target(Kind kind, std::string_view target, std::string_view name, std::string_view requirement) {
    if (kind == Kind::path)
      add(kind, path_of(target), name, requirement);
    else
      add(kind, trim(target.substr(0, target.find(" ;"))), name.empty() ? egg_of(target) : name, requirement);
  }

  // The letters that a name may have, at the front of the text.
  static std::string_view name_in(std::string_view text) {
    const auto end = std::find_if_not(text.begin(), text.end(),
                                      [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
    return text.substr(0, static_cast<std::size_t>(end - text.begin()));
  }

  void parse_requirement(std::string_view text) {
    const auto name = name_in(text);
    auto rest = trim(text.substr(name.size()));
    // "name @ target" comes first: the target decides, and may be a relative path.
    const bool has_target =
        !name.empty() && (rest.starts_with('@') || (rest.starts_with('[') && contains(rest, "@")));
    if (!has_target)
      if (const auto kind = kind_of_target(text)) return add_target(*kind, text, {}, text);
    if (name.empty() || !is_alnum(name.front()) || !is_alnum(name.back()))
      throw bad(" is not a requirement", kExampleHint);
    if (rest.starts_with('[')) {
      const auto close = rest.find(']');
      if (close == std::string_view::npos)
        throw bad(": the '[' is never closed", "for example \"celery[redis]==5.4.0\"");
      rest = trim(rest.substr(close + 1));
    }
    if (rest.starts_with('@')) {
      const auto target = trim(rest.substr(1));
      if (target.empty())
        throw bad(": no URL after '@'", "for example \"mypackage @ https://files.example/mypackage.whl\"");
      return add_target(kind_of_target(target).value_or(Kind::path), target, name, text);
    }
    check_versions(name, trim(rest.substr(0, rest.find(';'))));
    auto& entry = add(Kind::package, normal_package_name(name), name, text);
    if (rest.starts_with("==") && !contains(rest.substr(0, rest.find(';')), ","))
      entry.pin = Entry::Pin::exact;
  }

  void check_versions(std::string_view name, std::string_view versions) const {
    if (versions.starts_with('(') && versions.ends_with(')'))
      versions = versions.substr(1, versions.size() - 2);
    for (const auto part : split(versions, ','))
      if (const auto version = trim(part); !version.empty()) check_version(name, version);
  }

  void check_version(std::string_view name, std::string_view version) const {
    static constexpr std::array<std::string_view, 8> kOperators = {
        "===", "==", "~=", "!=", "<=", ">=", "<", ">"};
    for (const auto& [wrong, right] :
         {std::pair<std::string_view, std::string_view>{"=>", ">="}, {"=<", "<="}})
      if (version.starts_with(wrong))
        throw bad(concat(": ", quoted_op(wrong), " is not an operator"),
                  concat("did you mean ", quoted_op(right), "?"));
    const auto op = std::find_if(kOperators.begin(), kOperators.end(),
                                 [&](std::string_view candidate) { return version.starts_with(candidate); });
    if (op == kOperators.end()) {
      if (version.starts_with('=')) {
        const auto number = trim(version.substr(1, version.find('=', 1) - 1));
        throw bad(" is how conda writes it: pip needs two '='",
                  concat("did you mean \"", name, "==", number,
                         "\"? Lists made by \"conda list --export\" belong into conda-requirements.txt"));
      }
      throw bad(concat(": ", shown_line(version), " can't follow the name ", shown_line(name)), kExampleHint);
    }
    const auto number = trim(version.substr(op->size()));
    if (number.empty()) throw bad(concat(": no version after ", quoted_op(*op)), kExampleHint);
    if (std::any_of(number.begin(), number.end(), is_blank)) {
      throw bad(": more than one requirement on the line", kExampleHint);
    }
    if (*op != "===" && !std::all_of(number.begin(), number.end(), is_version_char))
      throw bad(concat(": ", shown_line(number), " is not a version"), kExampleHint);
  }

  static std::string quoted_op(std::string_view op) { return concat('\'', op, '\''); }
  // "${" and "}" for versions that come from a variable.
  static bool is_version_char(char c) {
    return is_alnum(c) || contains("._-+!*${}", std::string_view(&c, 1));
  }

  const TextLine& line_;
  std::string_view text_;
  std::string_view file_;
  RequirementsText& out_;
};

// pip replaces only "${NAME}" of upper-case letters, digits and "_".
void collect_variables(std::string_view text, std::vector<std::string>& out) {
  for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2)) {
    const auto end = text.find('}', at);
    if (end == std::string_view::npos) return;
    const auto name = text.substr(at + 2, end - at - 2);
    const bool valid = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
    });
    if (valid) out.emplace_back(name);
  }
}

}  // namespace

RequirementsText parse_requirements(std::string_view text, std::string_view file) {
  RequirementsText out;
  for (auto& line : logical_lines(text, file)) {
    collect_variables(line.text, out.variables);
    LineParser(line, file, out).run();
    out.lines.push_back(std::move(line.text));
  }
  std::sort(out.variables.begin(), out.variables.end());
  out.variables.erase(std::unique(out.variables.begin(), out.variables.end()), out.variables.end());
  return out;
}

}  // namespace dash::builder
