// What a build takes from the machine it runs on: read once by cli/, injected everywhere else.
#pragma once

#include "base/path.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// A file for build commands only (BuildKit's --secret): at /run/secrets/ID while they run, and nowhere else.
struct Secret {
  std::string id;  // a plain file name
  std::string content;
};

struct HostSettings {
  // Environment of helper programs that run on the host (PATH, HOME, …), as "NAME=value".
  std::vector<std::string> environment;
  // The same as a map, for look-ups.
  std::map<std::string, std::string> variables;
  // PEM bundle of trusted certificates, visible to commands at build time only; empty: none found.
  fs::path ca_bundle;
  // http_proxy, https_proxy, no_proxy and their upper-case forms, as far as set.
  std::map<std::string, std::string> proxies;
  // Credentials by host (curl's and pip's netrc file), used for downloads and seen by uv and git at build
  // time; empty: none.
  fs::path netrc;
  // Package index settings handed to uv at build time: PIP_* and UV_* variables and what pip.conf adds
  // (credentials included).
  std::map<std::string, std::string> index_settings;
  // The name of the architecture as Debian has it ("amd64") and as wheels have it ("x86_64").
  std::string debian_architecture = "amd64";
  std::string machine = "x86_64";
  // No part of any key: another content runs nothing again.
  std::vector<Secret> secrets;
  std::int64_t source_date_epoch = 0;  // times in layers and in the configuration
};

}  // namespace dash::builder
