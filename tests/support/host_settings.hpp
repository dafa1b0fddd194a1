// The machine that tests run on, as cli/ would describe it.
#pragma once

#include "base/file.hpp"
#include "builder/host.hpp"

#include <cstdlib>

namespace dash::testing {

inline builder::HostSettings host_settings() {
  builder::HostSettings host;
  host.variables = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                    {"LC_ALL", "C.UTF-8"}};
  for (const auto& [name, value] : host.variables) host.environment.push_back(name + "=" + value);
  if (fs::exists("/etc/ssl/certs/ca-certificates.crt")) host.ca_bundle = "/etc/ssl/certs/ca-certificates.crt";
  for (const auto* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
    if (const char* value = std::getenv(name)) host.proxies[name] = value;
  host.source_date_epoch = 315532800;
  return host;
}

}  // namespace dash::testing
