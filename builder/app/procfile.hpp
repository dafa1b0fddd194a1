// The Procfile: which command each process type of the app runs (docs/formats/app-files.md).
#pragma once

#include "builder/app/app_directory.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

struct ProcfileEntry {
  std::string type;     // "web"
  std::string command;  // without the trailing comment
  std::size_t line = 0;
  bool operator==(const ProcfileEntry&) const = default;
};

// The process types in file order; never empty, types are unique.
class Procfile {
 public:
  // Any line that is not blank, a comment or "TYPE: COMMAND" is an Error(invalid_input) with its number and
  // text.
  static Procfile parse(std::string_view text);

  const std::vector<ProcfileEntry>& entries() const { return entries_; }
  // Nothing when the Procfile has no such type. The pointer lives as long as this object.
  const ProcfileEntry* find(std::string_view type) const;

 private:
  std::vector<ProcfileEntry> entries_;
};

// The app's Procfile; a missing one is an Error(invalid_input) that shows an example.
Procfile read_procfile(const AppDirectory& app);

// `web` gets the traffic and `release` runs once per deploy; neither is an ordinary process type.
bool is_reserved_process_type(std::string_view type);

}  // namespace dash::builder
