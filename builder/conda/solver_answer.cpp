#include "builder/conda/solver_answer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& value, const char* key) {
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Error no_answer(const std::string& text) {
  return Error(ErrorCode::corrupt, "conda's answer cannot be read")
      .with_output(public_text(text))
      .with_hint("Another version of conda may help: name one in conda-runtime.txt.");
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// What conda prints when it failed: {"exception_name": …, "message": …}.
Error failure(const Json& answer) {
  const auto name = text_of(answer, "exception_name");
  auto message = text_of(answer, "message");
  if (message.empty()) message = text_of(answer, "error");
  if (is_one_of(name, {"PackagesNotFoundError", "ResolvePackageNotFound", "PackageNotFoundError"}))
    return Error(ErrorCode::invalid_input, "conda finds no package for a line of conda-requirements.txt")
        .with_output(public_text(message))
        .with_hint(
            "Check names, versions and builds, and the channels in .condarc; packages that only pip has "
            "belong into requirements.txt.");
  if (is_one_of(name,
                {"UnsatisfiableError", "LibMambaUnsatisfiableError", "SpecsConfigurationConflictError"}))
    return Error(ErrorCode::invalid_input, "conda cannot satisfy conda-requirements.txt")
        .with_output(public_text(message))
        .with_hint(
            "Loosen one of the lines that exclude each other; the runtime's own packages and pins count "
            "too.");
  if (contains(name, "HTTP") || contains(name, "Connection") || contains(name, "Proxy") ||
      contains(name, "SSL") ||
      is_one_of(name, {"UnavailableInvalidChannel", "OperationNotAllowed", "OfflineError"}))
    return Error(ErrorCode::unavailable, "conda cannot read a channel")
        .with_output(public_text(message))
        .with_hint("Check the channels in .condarc, the network and the proxy settings.");
  return Error(ErrorCode::step_failed, concat("conda failed", name.empty() ? "" : ": ", name))
      .with_output(public_text(message))
      .with_hint("The output above is conda's own.");
}

// conda 4.4 has a list with one object in it.
const Json* actions_of(const Json& answer) {
  const auto found = answer.find("actions");
  if (found == answer.end()) return nullptr;
  if (found->is_array()) return found->empty() ? nullptr : &found->front();
  return &*found;
}

std::string dist_of(const Json& package) {
  if (auto dist = text_of(package, "dist_name"); !dist.empty()) return dist;
  auto build = text_of(package, "build_string");
  if (build.empty()) build = text_of(package, "build");
  return concat(text_of(package, "name"), '-', text_of(package, "version"), '-', build);
}

// Where a package is. Up to 4.5 conda says of what it links only what the channel is called; its URL is with
// what it fetches, which is everything, because no packages are kept where it looks for them.
struct Place {
  std::string base_url;
  std::string subdir;
};

Place place_of(const Json& package, const std::vector<Json>& fetched) {
  Place out{text_of(package, "base_url"), text_of(package, "platform")};
  if (!out.base_url.empty() && !out.subdir.empty()) return out;
  const auto dist = dist_of(package);
  const auto channel = text_of(package, "channel");
  for (const Json& one : fetched) {
    if (dist_of(one) != dist) continue;
    out = {text_of(one, "base_url"), text_of(one, "platform")};
    if (text_of(one, "channel") == channel) break;
  }
  return out;
}

std::vector<Json> packages_of(const Json& actions, const char* key) {
  const auto found = actions.find(key);
  if (found == actions.end() || !found->is_array()) return {};
  return found->get<std::vector<Json>>();
}

// The quote that ends the string that begins at `begin`.
std::size_t end_of_string(std::string_view json, std::size_t begin) {
  for (auto i = json.find_first_of("\"\\", begin + 1); i != std::string_view::npos;
       i = json.find_first_of("\"\\", i)) {
    if (json[i] == '"') return i;
    i += 2;  // an escaped character
  }
  return std::string_view::npos;
}

// The brace that ends the object that begins at `begin`.
std::size_t end_of_object(std::string_view json, std::size_t begin) {
  std::size_t depth = 0;
  for (auto i = json.find_first_of("\"{}", begin); i != std::string_view::npos;
       i = json.find_first_of("\"{}", i + 1)) {
    if (json[i] == '{') ++depth;
    if (json[i] == '}' && --depth == 0) return i;
    if (json[i] == '"') i = end_of_string(json, i);
    if (i == std::string_view::npos) break;
  }
  return std::string_view::npos;
}

}  // namespace

SolverAnswer parse_solver_answer(const std::string& text) {
  const auto start = text.find('{');
  const Json answer = Json::parse(start == std::string::npos ? "" : text.substr(start), nullptr, false);
  if (!answer.is_object()) throw no_answer(text);
  const auto success = answer.find("success");
  const bool succeeded = success != answer.end() && success->is_boolean() && success->get<bool>();
  if (answer.contains("exception_name") || answer.contains("error") || !succeeded) throw failure(answer);
  SolverAnswer out;
  const Json* actions = actions_of(answer);
  if (actions == nullptr) return out;
  const auto fetched = packages_of(*actions, "FETCH");
  for (const Json& package : packages_of(*actions, "LINK")) {
    auto place = place_of(package, fetched);
    SolvedPackage solved{text_of(package, "name"),
                         dist_of(package),
                         std::move(place.base_url),
                         std::move(place.subdir),
                         {},
                         {}};
    for (const Json& one : fetched)
      if (dist_of(one) == solved.dist && one.contains("depends") && one.contains("md5")) {
        solved.url = text_of(one, "url");
        if (!solved.url.empty()) solved.record = one.dump();
      }
    if (solved.name.empty() || (solved.url.empty() && (solved.base_url.empty() || solved.subdir.empty())))
      throw no_answer(text);
    out.linked.push_back(std::move(solved));
  }
  for (const Json& package : packages_of(*actions, "UNLINK"))
    out.unlinked.push_back(text_of(package, "name"));
  return out;
}

RepodataRecords find_in_repodata(std::string_view repodata,
                                 const std::set<std::string, std::less<>>& file_names) {
  RepodataRecords out;
  for (auto at = repodata.find('"'); at != std::string_view::npos && out.size() < file_names.size();
       at = repodata.find('"', at)) {
    const auto end = end_of_string(repodata, at);
    if (end == std::string_view::npos) break;
    const auto name = repodata.substr(at + 1, end - at - 1);
    at = end + 1;
    if (!file_names.contains(name) || out.contains(name)) continue;
    const auto object = repodata.find_first_not_of(" \t\r\n:", at);
    if (object == std::string_view::npos || repodata[object] != '{') continue;
    const auto object_end = end_of_object(repodata, object);
    if (object_end == std::string_view::npos) break;
    out.emplace(name, repodata.substr(object, object_end + 1 - object));
    at = object_end + 1;
  }
  return out;
}

}  // namespace dash::builder
