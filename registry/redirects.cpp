#include "registry/redirects.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace dash::registry {

namespace {

constexpr unsigned kMaxRedirects = 10;

bool is_redirect(const Reply& reply) {
  const auto status = reply.status();
  if (reply.header("Location").empty()) return false;
  if (status == 307 || status == 308) return true;
  const bool reads = reply.method == "GET" || reply.method == "HEAD";
  return reads && (status == 301 || status == 302 || status == 303);
}

bool is_private(const std::string& host) {
  return is_loopback_host(host) || is_private_address(host);
}

[[noreturn]] void refuse(const Url& from, const Url& to, std::string_view why) {
  throw Error(ErrorCode::denied, concat(redact_url(from.to_string()), " redirects to ",
                                        redact_url(to.to_string()), ", ", why, "; it was not followed"));
}

}  // namespace

Url Reply::location() const {
  const auto text = header("Location");
  auto out = text.empty() ? std::nullopt : url.resolve(text);
  if (!out)
    throw Error(ErrorCode::corrupt,
                concat(shown(), ": the answer ", status(),
                       text.empty() ? " has no Location" : " has a Location that is no URL"))
        .with_hint("the server, or a proxy before it, breaks the protocol");
  return *out;
}

std::string Reply::shown() const {
  return concat(method, ' ', redact_url(url.to_string()));
}

Reply send_following(HttpClient& http, HttpRequest request, Url url, RestartableSource* body,
                     const ForServer& for_server, const std::stop_token& stop) {
  request.body = body;
  for (unsigned hops = 0;; ++hops) {
    if (hops > 0 && body != nullptr) body->restart();
    auto sent = request;
    sent.url = url.to_string();
    for_server(sent, url);
    Reply reply{http.send(sent, stop), request.method, url};
    if (!is_redirect(reply)) return reply;
    if (hops == kMaxRedirects)
      throw Error(ErrorCode::unavailable, concat(reply.shown(), ": more than ", kMaxRedirects, " redirects"));
    const auto next = reply.location();
    if (url.scheme == "https" && next.scheme == "http") refuse(url, next, "which is not encrypted");
    // Behind a proxy the peer's address is the proxy's, and names are its business.
    const bool from_private =
        is_private(url.host) || (!reply.answer->through_proxy() && is_private_address(reply.answer->peer()));
    if (!from_private && is_private(next.host)) refuse(url, next, "a private address");
    if (!from_private) request.addresses = HttpRequest::Addresses::public_only;
    url = next;
  }
}

}  // namespace dash::registry
