#include "cli/setting_options.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

constexpr std::pair<std::string_view, Progress> kProgressNames[] = {{"auto", Progress::automatic},
                                                                    {"tty", Progress::tty},
                                                                    {"plain", Progress::plain},
                                                                    {"json", Progress::json},
                                                                    {"quiet", Progress::quiet}};

std::string help_text(const Setting& setting) {
  return concat(setting.meaning, " (default: ", setting.fallback, "; ", setting.variable, ')');
}

}  // namespace

void SettingOptions::add(CLI::App& command, std::string_view name, fs::path& target) {
  bind(command, name, [&target](const std::string& text) { target = text; });
}
void SettingOptions::add(CLI::App& command, std::string_view name, std::string& target) {
  bind(command, name, [&target](const std::string& text) { target = text; });
}
void SettingOptions::add(CLI::App& command, std::string_view name, std::vector<std::string>& target) {
  bind(command, name, [&target](const std::string& text) {
    const auto words = split_words(text);
    target.assign(words.begin(), words.end());
  });
}
void SettingOptions::add(CLI::App& command, std::string_view name, unsigned& target) {
  bind(command, name,
       [&target](const std::string& text) { target = static_cast<unsigned>(parse_uint(text).value()); });
}
void SettingOptions::add(CLI::App& command, std::string_view name, bool& target) {
  bind(command, name, [&target](const std::string& text) { target = text == "true"; });
}
void SettingOptions::add(CLI::App& command, std::string_view name, Progress& target) {
  bind(command, name, [&target](const std::string& text) {
    for (const auto& [word, progress] : kProgressNames)
      if (word == text) target = progress;
  });
}
void SettingOptions::add(CLI::App& command, std::string_view name, builder::IndexStrategy& target) {
  bind(command, name, [&target](const std::string& text) {
    target = text == "first-index" ? builder::IndexStrategy::first_index
                                   : builder::IndexStrategy::unsafe_best_match;
  });
}

void SettingOptions::check() const {
  if (fault_) std::rethrow_exception(fault_);
}

void SettingOptions::bind(CLI::App& command, std::string_view name, Assign assign) {
  const auto& bound = setting(name);
  auto& commands = bound_[&command];
  if (commands.empty())
    command.preparse_callback([this, &command](std::size_t) { assign_defaults(command); });
  commands[&bound] = assign;
  if (bound.flag.empty()) return;

  const auto take = [this, &bound, assign = std::move(assign)](const std::string& text, std::string flag) {
    auto checked = check_setting(bound, text, flag);
    assign(checked);
    effective_.insert_or_assign(std::string(bound.name), SettingValue{std::move(checked), std::move(flag)});
  };
  const std::string flag(bound.flag);
  if (bound.type == SettingType::boolean) {
    const auto negative = concat("--no-", flag.substr(2));
    command.add_flag_function(
        concat(flag, ",!", negative),
        [take, flag, negative](std::int64_t count) {
          take(count > 0 ? "true" : "false", count > 0 ? flag : negative);
        },
        help_text(bound));
    return;
  }
  auto* option =
      bound.type == SettingType::words
          ? command.add_option_function<std::vector<std::string>>(
                flag, [take, flag](const std::vector<std::string>& words) { take(join(words, " "), flag); },
                help_text(bound))
          : command.add_option_function<std::string>(
                flag, [take, flag](const std::string& text) { take(text, flag); }, help_text(bound));
  if (bound.type == SettingType::words) option->allow_extra_args(false);
  option->type_name(std::string(bound.value))->option_text(std::string(bound.value));
}

void SettingOptions::assign_defaults(const CLI::App& command) {
  try {
    effective_ = read_settings(variables_);
  } catch (...) {
    fault_ = std::current_exception();
    return;
  }
  for (const auto& [bound, assign] : bound_.at(&command))
    if (const auto found = effective_.find(bound->name); found != effective_.end())
      assign(found->second.text);
}

}  // namespace dash::cli
