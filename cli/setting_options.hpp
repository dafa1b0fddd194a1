// Connects settings (cli/settings.hpp) with options of subcommands and the values they set.
#pragma once

#include "builder/python/resolve.hpp"
#include "cli/options.hpp"
#include "cli/settings.hpp"

#include <exception>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace dash::cli {

// Gives subcommands the options of settings. When the command line gets to a subcommand, what files and
// environment say is assigned first; options then win. Commands without settings never read a file.
class SettingOptions {
 public:
  explicit SettingOptions(std::map<std::string, std::string> variables) : variables_(std::move(variables)) {}

  // `target` keeps its value when nobody sets one, and must outlive the parsing.
  void add(CLI::App& command, std::string_view name, fs::path& target);
  void add(CLI::App& command, std::string_view name, std::string& target);
  void add(CLI::App& command, std::string_view name, std::vector<std::string>& target);
  void add(CLI::App& command, std::string_view name, unsigned& target);
  void add(CLI::App& command, std::string_view name, bool& target);
  void add(CLI::App& command, std::string_view name, Progress& target);
  void add(CLI::App& command, std::string_view name, builder::IndexStrategy& target);

  // Throws what was wrong with files or environment. Not done at once: --help works with a broken file.
  void check() const;
  // What holds for the subcommand that was parsed, with where it comes from.
  const SettingValues& effective() const { return effective_; }

 private:
  using Assign = std::function<void(const std::string& text)>;
  void bind(CLI::App& command, std::string_view name, Assign assign);
  void assign_defaults(const CLI::App& command);

  std::map<std::string, std::string> variables_;
  std::map<const CLI::App*, std::map<const Setting*, Assign>> bound_;
  SettingValues effective_;
  std::exception_ptr fault_;
};

}  // namespace dash::cli
