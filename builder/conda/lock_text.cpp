#include "builder/conda/lock_text.hpp"

#include "base/error.hpp"

#include <nlohmann/json.hpp>

namespace dash::builder {

using Json = nlohmann::ordered_json;

std::string lock_to_json(const ExplicitLock& lock) {
  Json out = Json::array();
  for (const CondaPackageUrl& package : lock.packages) {
    Json one = {{"url", package.url}};
    if (!package.digests.md5.empty()) one["md5"] = package.digests.md5;
    if (package.digests.sha256) one["sha256"] = to_hex(*package.digests.sha256);
    if (!package.repodata.empty()) one["repodata"] = package.repodata;
    out.push_back(std::move(one));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ExplicitLock lock_from_json(const std::string& text) {
  ExplicitLock out;
  try {
    for (const Json& one : Json::parse(text)) {
      CondaPackageUrl package;
      package.url = one.at("url").get<std::string>();
      package.digests.md5 = one.value("md5", std::string());
      if (one.contains("sha256"))
        package.digests.sha256 = sha256_from_hex(one.at("sha256").get<std::string>());
      package.repodata = one.value("repodata", std::string());
      out.packages.push_back(std::move(package));
    }
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::corrupt, "the record of a conda step cannot be read")
        .with_output(error.what())
        .with_hint("Build again with --no-cache.");
  }
  return out;
}

}  // namespace dash::builder
