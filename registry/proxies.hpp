// Which proxy a request goes through: http_proxy, https_proxy, all_proxy and no_proxy, as curl and Go read
// them.
#pragma once

#include "registry/url.hpp"

#include <map>
#include <string>
#include <string_view>

namespace dash::registry {

// The proxy for a URL; empty: none. Names of variables compare without regard to case. What is on this
// machine (a loopback address or name) is reached without a proxy, as in Go: a proxy elsewhere would look for
// it there.
std::string proxy_for(const Url& url, const std::map<std::string, std::string>& variables);

// Whether a no_proxy list has a host: names with all below them, addresses, networks ("10.0.0.0/8"), or "*".
bool in_no_proxy(std::string_view list, std::string_view host);

}  // namespace dash::registry
