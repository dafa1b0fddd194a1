#include "builder/python/pip_configuration.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <vector>

namespace dash::builder {
namespace {

using Settings = std::map<std::string, std::string>;

// "index-url" and "index_url" → "PIP_INDEX_URL".
std::string variable_for(std::string_view option) {
  std::string out = "PIP_";
  for (const char c : trim(option)) {
    if (c >= 'a' && c <= 'z')
      out += static_cast<char>(c - 'a' + 'A');
    else
      out += c == '-' ? '_' : c;
  }
  return out;
}

std::string value_of(const Settings& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

// In the order in which they are read.
std::vector<fs::path> configuration_files(const Settings& variables) {
  const auto own = value_of(variables, "PIP_CONFIG_FILE");
  if (own == "/dev/null") return {};
  std::vector<fs::path> out;
  auto global = value_of(variables, "XDG_CONFIG_DIRS");
  if (global.empty()) global = "/etc/xdg";
  for (const auto directory : split(global, ':'))
    if (!directory.empty()) out.push_back(fs::path(std::string(directory)) / "pip/pip.conf");
  out.emplace_back("/etc/pip.conf");
  boost::system::error_code absent;
  if (own.empty() || fs::exists(own, absent)) {
    const auto home = value_of(variables, "HOME");
    if (!home.empty()) out.push_back(fs::path(home) / ".pip/pip.conf");
    auto user = fs::path(value_of(variables, "XDG_CONFIG_HOME"));
    if (user.empty() && !home.empty()) user = fs::path(home) / ".config";
    if (!user.empty()) out.push_back(user / "pip/pip.conf");
  }
  if (const auto site = value_of(variables, "VIRTUAL_ENV"); !site.empty())
    out.push_back(fs::path(site) / "pip.conf");
  if (!own.empty()) out.emplace_back(own);
  return out;
}

}  // namespace

Settings parse_pip_configuration(std::string_view text, std::string_view file) {
  Settings sections[2];  // [global], [install]
  Settings* section = nullptr;
  std::string* value = nullptr;  // of the option whose lines may go on
  bool in_section = false;
  std::size_t number = 0;
  for (const auto line : split_lines(text)) {
    ++number;
    const auto content = trim(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (line.front() == ' ' || line.front() == '\t') {
      if (value != nullptr) *value += concat('\n', content);
      continue;
    }
    value = nullptr;
    if (content.front() == '[' && content.back() == ']') {
      const auto name = trim(content.substr(1, content.size() - 2));
      section = name == "global" ? &sections[0] : name == "install" ? &sections[1] : nullptr;
      in_section = true;
      continue;
    }
    const auto separator = content.find_first_of("=:");
    if (separator == std::string_view::npos || separator == 0 || !in_section)
      throw Error(ErrorCode::invalid_input,
                  concat(file, ':', number, ": the line is no option of a [section]"))
          .with_hint(
              "mend pip's configuration (\"pip config debug\" lists its files), or set "
              "PIP_CONFIG_FILE=/dev/null to do without");
    if (section == nullptr) continue;
    value = &(*section)[variable_for(content.substr(0, separator))];
    *value = std::string(trim(content.substr(separator + 1)));
  }
  for (auto& [name, text_value] : sections[1]) sections[0][name] = std::move(text_value);
  return std::move(sections[0]);
}

Settings read_pip_configuration(const Settings& variables) {
  Settings out;
  for (const auto& file : configuration_files(variables))
    if (const auto text = read_file_if_exists(file))
      for (auto& [name, value] : parse_pip_configuration(*text, file.string())) out[name] = std::move(value);
  return out;
}

}  // namespace dash::builder
