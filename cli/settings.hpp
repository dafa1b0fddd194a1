// What can be set once for a machine or a user instead of with every command: one table, from which
// configuration files, environment variables, options and docs/configuration.md are made.
#pragma once

#include "base/path.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dash::cli {

// `words` are several texts without blanks: an array in files, separated by blanks in variables, an option
// that may be repeated.
enum class SettingType { path, text, words, number, boolean, choice, compression, size };

struct Setting {
  std::string_view name;      // key in a configuration file
  std::string_view variable;  // environment variable
  std::string_view flag;      // option, "--no-…" turns a boolean off; empty: there is none
  SettingType type = SettingType::text;
  std::string_view value;     // what stands for the value in help ("DIR"); the choices as "a|b|c"
  std::string_view fallback;  // the value when nobody sets one, as people read it
  std::string_view meaning;
};

// In the order of the documentation.
std::span<const Setting> all_settings();
// `name` must be in the table.
const Setting& setting(std::string_view name);

struct SettingValue {
  std::string text;    // "true" or "false" for booleans; words with one blank between them
  std::string origin;  // "/etc/dash-build/config.toml:3", "DASH_BUILD_HOME" or "--home"
};
// Values by the setting's name; what nobody sets is absent.
using SettingValues = std::map<std::string, SettingValue, std::less<>>;

// The text in its one form, or Error(usage): "ORIGIN is 'text', not a whole number" and the like.
std::string check_setting(const Setting& setting, std::string_view text, std::string_view origin);

// The files that are read, weakest first: /etc/dash-build/config.toml and
// $XDG_CONFIG_HOME/dash-build/config.toml (~/.config without that); or only $DASH_BUILD_CONFIG when set.
std::vector<fs::path> configuration_files(const std::map<std::string, std::string>& variables);

// One file (toml.io, version 1.0); a relative path in it is relative to its directory. Unknown keys, wrong
// types and values are Error(invalid_input) with file, line and column.
SettingValues read_configuration(const fs::path& file);

// The settings of files and environment; the later in this order wins.
SettingValues read_settings(const std::map<std::string, std::string>& variables);

// The table as Markdown, for docs/configuration.md.
std::string settings_table();

}  // namespace dash::cli
