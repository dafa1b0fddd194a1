// Shell completions, made from the table of commands and options that the parser has.
#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace dash::cli {

// The script for "bash", "zsh" or "fish"; Error(usage) for another shell.
std::string completion_script(const CLI::App& app, std::string_view shell);

}  // namespace dash::cli
