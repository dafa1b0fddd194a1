#include "builder/conda/requirement_line.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"
#include "builder/conda/package_archive.hpp"
#include "builder/conda/platform.hpp"

#include <algorithm>
#include <optional>

namespace dash::builder {
namespace {

constexpr std::string_view kOperators = "=<>!";
constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (kBlanks.find(c) == std::string_view::npos) out += c;
  return out;
}

bool has_operator(std::string_view version) {
  return version.find_first_of("=<>!~^|,*") != std::string_view::npos;
}

Error unreadable(const CondaRequirementLine& line, std::string_view file) {
  return line_error(file, line.number, concat("conda cannot read ", shown_line(line.text)))
      .with_hint("Write a name with a version, as in numpy==1.16.2, numpy=1.16.* or \"numpy>=1.16,<2\".");
}

void set_name(CondaRequirement& out, std::string_view name) {
  const auto channel = name.rfind("::");
  if (channel != std::string_view::npos) {
    out.channel = name.substr(0, channel);
    name.remove_prefix(channel + 2);
  }
  out.name = to_lower(name);
}

// "1.16" is that version, everything else says itself what it is.
std::string exact_version(std::string_view version) {
  return version.empty() || has_operator(version) ? std::string(version) : concat("==", version);
}

// ">=1.16=py37_0" → version and build.
void set_version_with_build(CondaRequirement& out, std::string_view constraint) {
  const auto first = constraint.find_first_not_of(kOperators);
  const auto equal = first == std::string_view::npos ? first : constraint.find('=', first);
  const bool is_build = equal != std::string_view::npos &&
                        std::string_view("<>!~=").find(constraint[equal - 1]) == std::string_view::npos &&
                        equal + 1 < constraint.size() && constraint[equal + 1] != '=';
  out.version = constraint.substr(0, is_build ? equal : constraint.size());
  if (is_build) out.build = constraint.substr(equal + 1);
}

// The rule of conda before 26.7.
std::optional<CondaRequirement> read_exact(std::string_view text) {
  CondaRequirement out;
  const auto name_end = std::min(text.find_first_of("=<>! \t"), text.size());
  std::string_view rest = trimmed(text.substr(name_end));
  set_name(out, to_lower(text.substr(0, name_end)));
  if (out.name.empty()) return std::nullopt;
  if (const auto bracket = out.name.find('['); bracket != std::string::npos) {
    // The rule cuts within the brackets, and what is left of them counts for nothing.
    out.name.resize(bracket);
    if (out.name.empty()) return std::nullopt;
    out.loss = CondaRequirement::Loss::constraint;
    return out;
  }
  if (rest.empty()) return out;
  if (rest.size() > 1 && rest[0] == '=' && rest[1] != '=') {
    const auto parts = split(rest.substr(1), '=');
    if (parts.size() > 2 || std::ranges::any_of(parts, [](auto part) { return part.empty(); }))
      return std::nullopt;
    out.version = exact_version(trimmed(parts[0]));
    if (parts.size() == 2) out.build = trimmed(parts[1]);
    return out;
  }
  const bool is_comparison =
      rest.starts_with("==") || rest.starts_with("!=") || rest[0] == '<' || rest[0] == '>';
  if (!is_comparison || rest.find_first_not_of("=<>!") == std::string_view::npos) return std::nullopt;
  set_version_with_build(out, without_blanks(rest));
  return out;
}

// "=1.16" is 1.16.*; "1.16*" too.
std::string fuzzy_version(std::string_view version) {
  if (version.starts_with('=') && !version.starts_with("==")) {
    version.remove_prefix(1);
    return has_operator(version) ? std::string(version) : concat(version, ".*");
  }
  if (version.size() > 1 && version.ends_with('*') && version[version.size() - 2] != '.' &&
      version.find_first_of("=<>!~^|,") == std::string_view::npos)
    return concat(version.substr(0, version.size() - 1), ".*");
  return exact_version(version);
}

// `key=value` pairs in brackets; values may be in quotes.
bool read_brackets(std::string_view text, CondaRequirement& out) {
  while (!trimmed(text).empty()) {
    text = trimmed(text);
    const auto equal = text.find('=');
    if (equal == std::string_view::npos) return false;
    const auto key = trimmed(text.substr(0, equal));
    text = trimmed(text.substr(equal + 1));
    const bool in_quotes = !text.empty() && (text[0] == '"' || text[0] == '\'');
    const auto end = in_quotes ? text.find(text[0], 1) : std::min(text.find(','), text.size());
    if (end == std::string_view::npos) return false;
    const auto value = trimmed(text.substr(in_quotes ? 1 : 0, end - (in_quotes ? 1 : 0)));
    text = trimmed(text.substr(std::min(text.size(), end + (in_quotes ? 1 : 0))));
    if (text.starts_with(',')) text.remove_prefix(1);
    if (key == "version") out.version = fuzzy_version(value);
    if (key == "build") out.build = value;
    if (key == "channel") out.channel = value;
  }
  return true;
}

// A match spec (CEP 29), as far as its parts go.
std::optional<CondaRequirement> read_match_spec(std::string_view text) {
  CondaRequirement out;
  if (text.ends_with(']')) {
    const auto bracket = text.find('[');
    if (bracket == std::string_view::npos) return std::nullopt;
    if (!read_brackets(text.substr(bracket + 1, text.size() - bracket - 2), out)) return std::nullopt;
    const CondaRequirement inside = out;
    text = trimmed(text.substr(0, bracket));
    if (!inside.version.empty()) {
      set_name(out, text);
      return out.name.empty() ? std::nullopt : std::optional(out);
    }
  }
  const auto name_end = std::min(text.find_first_of("=<>!~ \t"), text.size());
  set_name(out, text.substr(0, name_end));
  if (out.name.empty() || contains(out.name, "[")) return std::nullopt;
  std::string_view rest = trimmed(text.substr(name_end));
  if (rest.empty()) return out;
  if (rest[0] == '=' && !rest.starts_with("==")) {
    const auto parts = split(rest.substr(1), '=');
    if (parts.size() > 2 || contains(rest, "|")) return std::nullopt;
    const auto version = trimmed(parts[0]);
    if (version.empty()) return std::nullopt;
    out.version = parts.size() == 2 ? exact_version(version) : fuzzy_version(concat('=', version));
    if (parts.size() == 2) out.build = trimmed(parts[1]);
    return out;
  }
  if (std::string_view("<>!~=").find(rest[0]) == std::string_view::npos) {  // "1.16 py37_0"
    const auto words = split_words(rest);
    if (words.size() > 2) return std::nullopt;
    out.version = fuzzy_version(words[0]);
    if (words.size() == 2) out.build = words[1];
    return out;
  }
  if (rest.find_first_not_of("=<>!~") == std::string_view::npos) return std::nullopt;
  set_version_with_build(out, without_blanks(rest));
  return out;
}

bool is_package_url(std::string_view text) {
  return contains(text, "://") && is_conda_package(text.substr(0, text.find('#')));
}

// "# platform: osx-64" → "osx-64"; of other comments nothing.
std::string platform_of_comment(std::string_view line) {
  constexpr std::string_view kKey = "platform:";
  line.remove_prefix(std::min(line.find_first_not_of("# \t"), line.size()));
  return line.starts_with(kKey) ? std::string(trimmed(line.substr(kKey.size()))) : std::string();
}

std::string full_name(const CondaRequirement& requirement) {
  return requirement.channel.empty() ? requirement.name : concat(requirement.channel, "::", requirement.name);
}

std::string shown(const CondaRequirement& requirement) {
  std::string out = full_name(requirement);
  if (!requirement.version.empty()) out += concat(' ', requirement.version);
  if (!requirement.build.empty()) out += concat(' ', requirement.build);
  return out;
}

std::optional<CondaRequirement> read(std::string_view text, CondaReading reading) {
  if (is_package_url(text)) {
    CondaRequirement out;
    out.url = text;
    return out;
  }
  return reading == CondaReading::exact ? read_exact(text) : read_match_spec(text);
}

// How to write what a line means here so that all condas read it so.
std::string read_alike(const CondaRequirement& here) {
  const auto name = full_name(here);
  const std::string_view version = here.version;
  if (version.starts_with("==")) return concat(name, version, " or ", name, '=', version.substr(2), ".*");
  if (version.starts_with("~=")) return ">= and < instead of ~=";
  const bool says_how = version.empty() || std::string_view("<>!").find(version[0]) != std::string_view::npos;
  return concat(name, says_how ? "" : "=", version);
}

// What is to be said of a line; empty mostly.
std::string surprise(const CondaRequirementLine& line, const CondaRequirement& here, CondaReading reading) {
  const auto said = [&](const auto&... parts) { return concat(quoted(line.text), parts...); };
  if (here.build == "pypi_0")
    return said(" names a package that pip installed, which no channel has: move ", here.name,
                " to requirements.txt");
  if (const auto slash = here.channel.rfind('/');
      slash != std::string::npos && is_foreign_platform(std::string_view(here.channel).substr(slash + 1)))
    return said(" is for another platform than ", kCondaPlatform);
  if (here.loss == CondaRequirement::Loss::constraint)
    return said(" is any version of ", here.name, " to this conda, which does not know brackets here: write ",
                here.name, " with == or >= instead");
  if (here.name.ends_with('~'))
    return said(" asks this conda for a package called ", here.name, ": write >= and < instead of ~=");
  const auto other =
      read(line.text, reading == CondaReading::exact ? CondaReading::match_spec : CondaReading::exact);
  if (!other || *other == here) return {};
  const auto* who = reading == CondaReading::exact ? "newer versions of it" : "versions before 26.7";
  return said(" means ", shown(here), " to this conda, and ", shown(*other), " to ", who, ": write ",
              read_alike(here), " to be sure");
}

}  // namespace

CondaReading conda_reading(std::string_view conda_version) {
  const auto parts = split(conda_version, '.');
  const auto major = parse_uint(parts[0]);
  const auto minor = parts.size() > 1 ? parse_uint(parts[1]) : std::nullopt;
  if (!major) return CondaReading::match_spec;
  const bool is_old = *major < 26 || (*major == 26 && minor.value_or(0) < 7);
  return is_old ? CondaReading::exact : CondaReading::match_spec;
}

CondaRequirements conda_requirements(std::string_view text) {
  CondaRequirements out;
  std::size_t number = 0;
  for (const std::string_view raw : split_lines(text)) {
    ++number;
    const std::string_view line = trimmed(raw);
    if (line.starts_with('#')) {
      if (out.platform.empty()) out.platform = platform_of_comment(line);
      continue;
    }
    // The fragment of a URL is no comment.
    const bool is_url = is_package_url(line.substr(0, line.find_first_of(kBlanks)));
    const std::string_view content = trimmed(line.substr(0, is_url ? line.size() : line.find('#')));
    if (!content.empty()) out.lines.push_back({number, std::string(content)});
  }
  return out;
}

CondaRequirement read_requirement(const CondaRequirementLine& line, CondaReading reading,
                                  std::string_view file) {
  auto out = read(line.text, reading);
  if (!out) throw unreadable(line, file);
  return std::move(*out);
}

std::vector<std::string> requirement_warnings(const CondaRequirements& requirements, CondaReading reading,
                                              std::string_view file) {
  std::vector<std::string> out;
  if (is_foreign_platform(requirements.platform))
    out.push_back(concat(file, " was exported on ", requirements.platform,
                         "; builds of packages that it names are not there for ", kCondaPlatform));
  for (const CondaRequirementLine& line : requirements.lines)
    if (const std::string text = surprise(line, read_requirement(line, reading, file), reading);
        !text.empty())
      out.push_back(concat(file, ':', line.number, ": ", text));
  return out;
}

}  // namespace dash::builder
