// Configuration files: TOML to settings, with the place of everything that is wrong.
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/settings.hpp"

#include <sstream>

#include <toml++/toml.h>

namespace dash::cli {

namespace {

constexpr std::uint64_t kMaxFileSize = std::uint64_t{1} << 20;

std::string place(const fs::path& file, const toml::source_region& region) {
  return concat(file.string(), ':', region.begin.line, ':', region.begin.column);
}

const Setting* find_setting(std::string_view name) {
  for (const auto& setting : all_settings())
    if (setting.name == name) return &setting;
  return nullptr;
}

[[noreturn]] void fail_unknown(const std::string& where, std::string_view key) {
  std::vector<std::string> names;
  for (const auto& setting : all_settings()) names.emplace_back(setting.name);
  throw Error(ErrorCode::invalid_input, concat(where, ": there is no setting ", quoted(key)))
      .with_hint(concat("the settings are ", join(names, ", ")));
}

std::string_view kind_of(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  if (node.is_string()) return "a string";
  if (node.is_integer()) return "a whole number";
  if (node.is_floating_point()) return "a number with a fraction";
  if (node.is_boolean()) return "a boolean";
  return "a date or time";
}

std::string text_of(const Setting& setting, const toml::node& node, const std::string& where) {
  std::string_view wanted = "a string in quotes";
  switch (setting.type) {
    case SettingType::boolean:
      if (const auto value = node.value_exact<bool>()) return *value ? "true" : "false";
      wanted = "true or false without quotes";
      break;
    case SettingType::number:
      if (const auto value = node.value_exact<std::int64_t>()) return std::to_string(*value);
      wanted = "a whole number without quotes";
      break;
    case SettingType::words:
      wanted = "an array of strings in quotes";
      if (const auto* array = node.as_array(); array != nullptr && array->is_homogeneous<std::string>()) {
        std::vector<std::string> words;
        for (const auto& word : *array) words.push_back(word.value_exact<std::string>().value());
        return join(words, " ");
      }
      break;
    case SettingType::path:
    case SettingType::text:
    case SettingType::choice:
    case SettingType::compression:
    case SettingType::size:
      if (auto value = node.value_exact<std::string>()) return *std::move(value);
      break;
  }
  throw Error(ErrorCode::invalid_input, concat(where, ": ", setting.name, " is ", kind_of(node)))
      .with_hint(concat("it must be ", wanted));
}

SettingValue read_value(const Setting& setting, const toml::node& node, const fs::path& file) {
  const auto where = place(file, node.source());
  auto text = text_of(setting, node, where);
  try {
    text = check_setting(setting, text, concat(where, ": ", setting.name));
  } catch (Error& error) {
    // The command line is right, a file is wrong.
    Error wrong(ErrorCode::invalid_input, error.message());
    for (const auto& frame : error.context()) wrong.add_context(frame);
    throw std::move(wrong).with_hint(error.hint());
  }
  if (setting.type == SettingType::path && !text.empty())
    text = fs::absolute(text, file.parent_path()).string();
  return {std::move(text), concat(file.string(), ':', node.source().begin.line)};
}

}  // namespace

SettingValues read_configuration(const fs::path& file) {
  const auto content = read_file(file, kMaxFileSize);
  toml::table table;
  try {
    table = toml::parse(content);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::invalid_input, concat(place(file, error.source()), ": ", error.description()))
        .with_hint("the file is TOML: lines like home = \"/srv/dash-build\" or threads = 4");
  }
  SettingValues out;
  for (const auto& [key, node] : table) {
    const auto* setting = find_setting(key.str());
    if (setting == nullptr) fail_unknown(place(file, key.source()), key.str());
    out.insert_or_assign(std::string(setting->name), read_value(*setting, node, file));
  }
  return out;
}

}  // namespace dash::cli
