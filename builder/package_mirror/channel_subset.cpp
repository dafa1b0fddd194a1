#include "builder/package_mirror/channel_subset.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/package_archive.hpp"
#include "builder/conda/solver_answer.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr const char* kRepodata = "repodata.json";
constexpr const char* kOldFormat = "packages";
constexpr const char* kNewFormat = "packages.conda";
// What parts of channels' paths consist of.
constexpr std::string_view kInPaths = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%+@";

// The list of an earlier run, without what is not there any more.
Json earlier(const fs::path& file, std::string_view subdir) {
  Json out = {{"info", {{"subdir", subdir}}},
              {kOldFormat, Json::object()},
              {kNewFormat, Json::object()},
              {"removed", Json::array()},
              {"repodata_version", 1}};
  const auto text = read_file_if_exists(file);
  const Json known = text ? Json::parse(*text, nullptr, false) : Json();
  if (!known.is_object()) return out;
  for (const auto* format : {kOldFormat, kNewFormat})
    if (const auto list = known.find(format); list != known.end() && list->is_object())
      for (const auto& [name, record] : list->items())
        if (fs::exists(file.parent_path() / name)) out[format][name] = record;
  return out;
}

}  // namespace

std::string channel_path(std::string_view channel_url) {
  const auto scheme = channel_url.find("://");
  std::string path(scheme == std::string_view::npos ? channel_url : channel_url.substr(scheme + 3));
  std::ranges::replace(path, ':', '_');
  for (const auto part : split(path, '/'))
    if (part.empty() || part == "." || part == ".." ||
        part.find_first_not_of(kInPaths) != std::string_view::npos)
      throw Error(ErrorCode::invalid_input,
                  concat("the channel ", redact_url(channel_url), " cannot be mirrored: ", dash::quoted(part),
                         " can be no directory there"))
          .with_hint("Channels have plain paths: letters, digits, and -._~%+@ in each part.");
  return concat("conda/", path);
}

void add_to_channel(const fs::path& directory, std::string_view subdir, std::string_view repodata,
                    const std::vector<CondaPackageUrl>& packages) {
  std::set<std::string, std::less<>> names;
  for (const CondaPackageUrl& package : packages) names.insert(package.file_name());
  const RepodataRecords records = find_in_repodata(repodata, names);
  const fs::path file = directory / kRepodata;
  Json out = earlier(file, subdir);
  for (const CondaPackageUrl& package : packages) {
    const std::string name = package.file_name();
    const auto found = records.find(name);
    if (found == records.end())
      throw Error(ErrorCode::not_found,
                  concat("the channel ", redact_url(package.channel()), " does not list ", name, " any more"))
          .with_hint("Build the app again with --upgrade, so that its lock has packages that are listed.");
    out[name.ends_with(".conda") ? kNewFormat : kOldFormat][name] = Json::parse(found->second);
  }
  make_directories(directory);
  write_file_atomic(file, out.dump(1) + '\n');
}

}  // namespace dash::builder
