// Following redirects, with the checks that keep secrets and private networks where they belong.
#pragma once

#include "registry/http_client.hpp"
#include "registry/url.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace dash::registry {

// An answer, and the request that it belongs to.
struct Reply {
  std::unique_ptr<HttpAnswer> answer;
  std::string method;
  Url url;  // that answered, after redirects

  int status() const { return answer->status(); }
  std::string_view header(std::string_view name) const { return answer->headers().get(name); }
  // The Location field as a URL; Error(corrupt) when it is missing or none.
  Url location() const;
  // "METHOD URL" for messages, without secrets.
  std::string shown() const;
};

// Adds what only the server at `url` may see (credentials, certificates). Called for each hop.
using ForServer = std::function<void(HttpRequest& request, const Url& url)>;

// Sends `request` to `url` and on to where the server says, at most ten times. A request with a body (`body`,
// which is started over for each hop) is only sent on for 307 and 308. Error(denied) for a redirect from
// https to http, and from a public server to a private or loopback address, also when only the name's address
// is. Failures as HttpClient::send's.
Reply send_following(HttpClient& http, HttpRequest request, Url url, RestartableSource* body,
                     const ForServer& for_server, const std::stop_token& stop);

}  // namespace dash::registry
