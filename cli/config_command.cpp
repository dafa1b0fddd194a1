// `config` and `completion`: what is set, and help for shells.
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/report.hpp"

#include <iostream>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

SettingValue value_of(const Setting& setting, const ConfigOptions& options) {
  if (const auto found = options.values.find(setting.name); found != options.values.end())
    return found->second;
  if (setting.name == "home") return {store_home({}, environment_variables()).string(), "default"};
  return {std::string(setting.fallback), "default"};
}

}  // namespace

int run_command(const ConfigOptions& options, std::stop_token) {
  if (options.form == ConfigOptions::Form::table) {
    std::cout << settings_table();
    return 0;
  }
  nlohmann::ordered_json json;
  for (const auto& setting : all_settings()) {
    const auto value = value_of(setting, options);
    if (options.form == ConfigOptions::Form::json)
      json[std::string(setting.name)] = {{"value", value.text}, {"origin", value.origin}};
    else
      std::cout << pad(std::string(setting.name), 17) << pad(value.text, 30) << ' ' << value.origin << '\n';
  }
  if (options.form == ConfigOptions::Form::json)
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  return 0;
}

int run_command(const CompletionOptions& options, std::stop_token) {
  std::cout << options.script;
  return 0;
}

}  // namespace dash::cli
