// What a machine says of conda, and which servers that leaves.
#pragma once

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "builder/conda/url_mirrors.hpp"
#include "builder/workbench.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

struct CondaSettings {
  std::string base_url;                      // installers are at <base_url>/miniconda/<name>-Linux-x86_64.sh
  std::map<std::string, Sha256> installers;  // digests by name ("Miniconda3-py311_24.1.2-0")
  fs::path condarc;  // of the machine: seen by conda at build time only, as /etc/conda/.condarc; or empty
  std::vector<std::string> pins;  // specs that every app's environment keeps
  UrlMirrors mirrors;
};

// The URL that a file of conda's is fetched from: at its mirror. Error(unavailable) in an airgapped build
// where neither mirrors nor other settings name its server.
std::string fetch_url(const Workbench& bench, const CondaSettings& settings, const std::string& url);

// Error(unavailable) naming file and line where the text of an app's file has a URL that `fetch_url` refuses.
void check_reach(const Workbench& bench, const CondaSettings& settings, std::string_view text,
                 std::string_view file);

// Says in an Error of fetching what helps in an airgapped build.
void add_mirror_hint(const Workbench& bench, Error& error);

}  // namespace dash::builder
