#include "builder/python/direct_url.hpp"

#include "base/text.hpp"
#include "builder/python/uv_run.hpp"

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

// As Python's json.dumps writes it, which is what pip's files look like: a blank after ':' and ',', ASCII.
std::string python_json(const Json& value) {
  if (!value.is_object()) return value.dump(-1, ' ', true);
  std::string out;
  for (const auto& [key, member] : value.items())
    out += concat(out.empty() ? "{" : ", ", Json(key).dump(-1, ' ', true), ": ", python_json(member));
  return out.empty() ? "{}" : out + '}';
}

// As urllib.parse.quote does it.
std::string quoted_path(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-~/";
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (contains(kPlain, std::string_view(&c, 1)))
      out += c;
    else
      out += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return out;
}

std::string location(const std::string& url, const std::string& path) {
  return url.empty() ? "file://" + quoted_path(path) : without_credentials(url);
}

}  // namespace

std::string direct_url_json(const LockedPackage& package) {
  Json out;
  std::string subdirectory;
  if (package.archive) {
    const LockedFile& archive = *package.archive;
    Json info = Json::object();
    if (archive.sha256) {
      const std::string hex = to_hex(*archive.sha256);
      info["hash"] = "sha256=" + hex;
      info["hashes"] = {{"sha256", hex}};
    }
    out = {{"archive_info", info}, {"url", location(archive.url, archive.path)}};
    subdirectory = archive.subdirectory;
  } else if (package.directory) {
    // An editable project is installed like any other: an image has no use for a link to its own source.
    out = {{"dir_info", Json::object()}, {"url", location("", package.directory->path)}};
    subdirectory = package.directory->subdirectory;
  } else if (package.vcs) {
    const LockedVcs& vcs = *package.vcs;
    Json info = {{"commit_id", vcs.commit_id}, {"vcs", vcs.type}};
    if (!vcs.requested_revision.empty()) info["requested_revision"] = vcs.requested_revision;
    out = {{"url", location(vcs.url, vcs.path)}, {"vcs_info", info}};
    subdirectory = vcs.subdirectory;
  } else {
    return {};
  }
  if (!subdirectory.empty()) out["subdirectory"] = subdirectory;
  return python_json(out);
}

}  // namespace dash::builder
