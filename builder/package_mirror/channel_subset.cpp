#include "builder/package_mirror/channel_subset.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>

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

void add_to_channel(const fs::path& directory, std::string_view subdir, const RepodataRecords& records) {
  make_directories(directory);
  const fs::path file = directory / kRepodata;
  Json out = earlier(file, subdir);
  for (const auto& [name, record] : records) {
    const Json json = Json::parse(record, nullptr, false);
    if (!json.is_object())
      throw Error(ErrorCode::corrupt, concat("the record of ", name, " in its channel cannot be read"))
          .with_hint("The channel is damaged, or changed just now: try again.");
    out[name.ends_with(".conda") ? kNewFormat : kOldFormat][name] = json;
  }
  write_file_atomic(file, out.dump(1) + '\n');
}

}  // namespace dash::builder
