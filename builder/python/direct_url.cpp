#include "builder/python/direct_url.hpp"

#include "builder/python/uv_run.hpp"

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

std::string location(const std::string& url, const std::string& path) {
  return url.empty() ? "file://" + path : without_credentials(url);
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
  return out.dump();
}

}  // namespace dash::builder
