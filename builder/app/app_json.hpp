// app.json: the scripts around a deploy, and the health checks.
#pragma once

#include "builder/app/app_directory.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dash::builder {

// A shell line and where it was found.
struct AppScript {
  std::string command;
  std::string key;  // "scripts.dokku.predeploy", "scripts.predeploy" or "predeploy"
  bool operator==(const AppScript&) const = default;
};

struct AppJson {
  std::optional<AppScript> predeploy;
  std::optional<AppScript> postdeploy;
  // The value of each key of "healthchecks" (a process type or "*") as compact JSON text, keys in it sorted.
  std::map<std::string, std::string> health_checks;
};

// JSON with comments (// and /* */) and trailing commas. The first of the three keys that has a text wins;
// null and a blank text count as absent. Invalid JSON is an Error(invalid_input) "app.json:LINE:COLUMN: …"
// (the column counts bytes from 1); a value of the wrong type is an Error that names its key.
AppJson parse_app_json(std::string_view text);

// Empty when the app has no app.json.
AppJson read_app_json(const AppDirectory& app);

}  // namespace dash::builder
