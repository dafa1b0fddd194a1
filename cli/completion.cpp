#include "cli/completion.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

// What comes after an option, as far as shells can complete it.
enum class Operand { none, words, files, directories, free_text };

struct OptionInfo {
  std::vector<std::string> names;  // "-o", "--output"
  std::string description;
  Operand operand = Operand::none;
  std::vector<std::string> words;  // Operand::words
};

struct CommandInfo {
  std::string name;
  std::string description;
  std::vector<OptionInfo> options;
  OptionInfo operands;                // the words without a dash
  std::vector<CommandInfo> commands;  // of a group
};

// "auto|tty|plain" is a choice; "oci:DIR[:TAG]|…" is a list of forms.
std::vector<std::string> choices(std::string_view value) {
  std::vector<std::string> out;
  for (const auto word : split(value, '|')) out.emplace_back(word);
  const auto is_choice = [](const std::string& word) {
    return !word.empty() &&
           word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  };
  if (out.size() < 2 || !std::all_of(out.begin(), out.end(), is_choice)) out.clear();
  return out;
}

OptionInfo describe(const CLI::Option& option) {
  OptionInfo out;
  for (const auto& name : option.get_snames()) out.names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) out.names.push_back("--" + name);
  out.description = option.get_description();
  if (option.get_items_expected_max() == 0) return out;
  const auto value = option.get_type_name();
  out.words = choices(value);
  out.operand = !out.words.empty()        ? Operand::words
                : contains(value, "FILE") ? Operand::files
                : contains(value, "DIR")  ? Operand::directories
                : option.get_name(true, false) == "APP_DIR" || option.get_name(true, false) == "DIR"
                    ? Operand::directories
                    : Operand::free_text;
  return out;
}

std::vector<CommandInfo> describe(const CLI::App& app) {
  std::vector<CommandInfo> out;
  for (const auto* command : app.get_subcommands(nullptr)) {
    CommandInfo info{command->get_name(), command->get_description(), {}, {}, describe(*command)};
    for (const auto* option : command->get_options()) {
      if (option->get_positional())
        info.operands = describe(*option);
      else
        info.options.push_back(describe(*option));
    }
    out.push_back(std::move(info));
  }
  return out;
}

std::string names_of(const std::vector<CommandInfo>& commands) {
  std::vector<std::string> names;
  for (const auto& command : commands) names.push_back(command.name);
  return join(names, " ");
}

// What bash's compgen is asked for.
std::string compgen(const OptionInfo& option) {
  switch (option.operand) {
    case Operand::words:
      return concat("-W '", join(option.words, " "), "'");
    case Operand::files:
      return "-f";
    case Operand::directories:
      return "-d";
    case Operand::none:
    case Operand::free_text:
      break;
  }
  return "-W ''";
}

// What bash offers for the words after one command.
std::string bash_case(const std::string& name, const CommandInfo& command) {
  std::string out = concat("    '", name, "')\n      case $last in\n");
  std::vector<std::string> all;
  for (const auto& option : command.options) {
    all.insert(all.end(), option.names.begin(), option.names.end());
    if (option.operand != Operand::none)
      out += concat("        ", join(option.names, "|"), ") mapfile -t COMPREPLY < <(compgen ",
                    compgen(option), " -- \"$word\"); return ;;\n");
  }
  return out + concat(
                   "      esac\n"
                   "      if [[ $word == -* ]]; then\n"
                   "        mapfile -t COMPREPLY < <(compgen -W '",
                   join(all, " "),
                   "' -- \"$word\")\n"
                   "      else\n"
                   "        mapfile -t COMPREPLY < <(compgen ",
                   compgen(command.operands),
                   " -- \"$word\")\n"
                   "      fi\n"
                   "      ;;\n");
}

std::string bash_script(const std::vector<CommandInfo>& commands) {
  std::string out = concat(
      "# bash completion for dash-build\n"
      "_dash_build() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '",
      names_of(commands),
      " --help --version' -- \"$word\")\n"
      "    return\n"
      "  fi\n");
  for (const auto& group : commands)
    if (!group.commands.empty())
      out += concat("  if [[ $command == ", group.name,
                    " ]]; then\n"
                    "    if ((COMP_CWORD == 2)); then\n"
                    "      mapfile -t COMPREPLY < <(compgen -W '",
                    names_of(group.commands),
                    " --help' -- \"$word\")\n"
                    "      return\n"
                    "    fi\n"
                    "    command+=\" ${COMP_WORDS[2]}\"\n"
                    "  fi\n");
  out += "  case $command in\n";
  for (const auto& command : commands) {
    if (command.commands.empty()) out += bash_case(command.name, command);
    for (const auto& part : command.commands) out += bash_case(concat(command.name, ' ', part.name), part);
  }
  return out +
         "  esac\n"
         "}\n"
         "complete -o filenames -F _dash_build dash-build\n";
}

// In single quotes, as all three shells take it ("'" itself does not occur in zsh's own syntax below).
std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Text inside a zsh _arguments specification, where ':', '[' and ']' mean something.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const OptionInfo& option) {
  switch (option.operand) {
    case Operand::words:
      return concat("(", join(option.words, " "), ")");
    case Operand::files:
      return "_files";
    case Operand::directories:
      return "_files -/";
    case Operand::none:
    case Operand::free_text:
      break;
  }
  return " ";
}

std::string zsh_list(const std::vector<CommandInfo>& commands, const std::string& indent) {
  auto out = indent + "commands=(\n";
  for (const auto& command : commands)
    out +=
        concat(indent, "  ", single_quoted(concat(command.name, ":", zsh_text(command.description))), '\n');
  return out + concat(indent, ")\n", indent, "if ((CURRENT == 2)); then\n", indent,
                      "  _describe command commands\n", indent, "  return\n", indent, "fi\n");
}

std::string zsh_case(const std::string& name, const CommandInfo& command) {
  auto out = concat("    '", name, "')\n      _arguments");
  for (const auto& option : command.options)
    for (const auto& option_name : option.names) {
      auto spec = concat("*", option_name, '[', zsh_text(option.description), ']');
      if (option.operand != Operand::none) spec += concat(":value:", zsh_action(option));
      out += concat(" \\\n        ", single_quoted(spec));
    }
  if (command.operands.operand != Operand::none)
    out += concat(" \\\n        ", single_quoted(concat("*:operand:", zsh_action(command.operands))));
  return out + "\n      ;;\n";
}

std::string zsh_script(const std::vector<CommandInfo>& commands) {
  constexpr const char* kNextWord = "shift words\n((CURRENT--))\n";
  std::string out =
      "#compdef dash-build\n"
      "_dash_build() {\n"
      "  local -a commands\n" +
      zsh_list(commands, "  ") + "  local command=$words[2]\n" + kNextWord;
  for (const auto& group : commands)
    if (!group.commands.empty())
      out += concat("  if [[ $command == ", group.name, " ]]; then\n", zsh_list(group.commands, "    "),
                    "    command+=\" $words[2]\"\n", kNextWord, "  fi\n");
  out += "  case $command in\n";
  for (const auto& command : commands) {
    if (command.commands.empty()) out += zsh_case(command.name, command);
    for (const auto& part : command.commands) out += zsh_case(concat(command.name, ' ', part.name), part);
  }
  return out +
         "  esac\n"
         "}\n"
         "if [ \"$funcstack[1]\" = _dash-build ]; then _dash_build; else compdef _dash_build dash-build; "
         "fi\n";
}

std::string fish_operand(const OptionInfo& option) {
  switch (option.operand) {
    case Operand::words:
      return concat(" -x -a ", single_quoted(join(option.words, " ")));
    case Operand::files:
      return " -r -F";
    case Operand::directories:
      return " -x -a '(__fish_complete_directories)'";
    case Operand::free_text:
      return " -x";
    case Operand::none:
      break;
  }
  return "";
}

// Lines of the options and operands of one command; `condition` says when they are offered.
std::string fish_options(const std::string& condition, const CommandInfo& command) {
  const auto head = concat("complete -c dash-build -n '", condition, "'");
  std::string out;
  if (command.operands.operand != Operand::none) out += concat(head, fish_operand(command.operands), '\n');
  for (const auto& option : command.options) {
    out += head;
    for (const auto& name : option.names)
      out += name.starts_with("--") ? concat(" -l ", name.substr(2)) : concat(" -s ", name.substr(1));
    out += concat(fish_operand(option), " -d ", single_quoted(option.description), '\n');
  }
  return out;
}

std::string fish_script(const std::vector<CommandInfo>& commands) {
  std::string out = "# fish completion for dash-build\ncomplete -c dash-build -f\n";
  for (const auto& command : commands)
    out += concat("complete -c dash-build -n __fish_use_subcommand -a ", command.name, " -d ",
                  single_quoted(command.description), '\n');
  for (const auto& command : commands) {
    const auto seen = concat("__fish_seen_subcommand_from ", command.name);
    if (command.commands.empty()) out += fish_options(seen, command);
    for (const auto& part : command.commands) {
      out += concat("complete -c dash-build -n '", seen, "; and not __fish_seen_subcommand_from ",
                    names_of(command.commands), "' -a ", part.name, " -d ", single_quoted(part.description),
                    '\n');
      out += fish_options(concat(seen, "; and __fish_seen_subcommand_from ", part.name), part);
    }
  }
  return out;
}

}  // namespace

std::string completion_script(const CLI::App& app, std::string_view shell) {
  const auto commands = describe(app);
  if (shell == "bash") return bash_script(commands);
  if (shell == "zsh") return zsh_script(commands);
  if (shell == "fish") return fish_script(commands);
  throw Error(ErrorCode::usage, concat("there are no completions for ", quoted(shell)))
      .with_hint("use bash, zsh or fish");
}

}  // namespace dash::cli
