#include "registry/endpoint_client.hpp"

#include "base/text.hpp"
#include "registry/registry_error.hpp"

#include <ctime>

namespace dash::registry {

namespace {

constexpr std::uint64_t kMaxErrorBody = std::uint64_t{64} << 10;
constexpr unsigned kMaxChallenges = 2;  // a stale token, and one more for a token that aged underway

// The body of an error, as much of it as arrives.
std::string error_body(HttpAnswer& answer) {
  try {
    return read_all(answer, kMaxErrorBody, "error");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::canceled) throw;
    return {};
  }
}

}  // namespace

Url EndpointClient::base() const {
  auto out = endpoint_.base;
  if (endpoint_.scheme == Endpoint::Scheme::https_or_http &&
      session_.protocol_of(out.authority()) == RegistrySession::Protocol::plain_http) {
    if (out.port == 443) out.port = 80;
    out.scheme = "http";
  }
  return out;
}

Url EndpointClient::url_of(const std::string& path) const {
  auto out = base();
  const auto question = path.find('?');
  out.path += concat('/', endpoint_.repository, path.substr(0, question));
  if (question != std::string::npos) out.query = path.substr(question + 1);
  return out;
}

AuthTarget EndpointClient::auth_target() const {
  return {base(), endpoint_.registry, endpoint_.repository, endpoint_.tls};
}

Reply EndpointClient::send(const Call& call) {
  Backoff backoff(session_.settings().retry);
  auto scopes = call.scopes;
  unsigned challenges = 0;
  const auto host = endpoint_.base.authority();
  for (bool first = true;; first = false) {
    if (!first && call.body != nullptr) call.body->restart();
    session_.rate_limits().wait(host, stop_);
    std::string authorization;
    std::optional<std::chrono::milliseconds> wait;
    try {
      find_protocol();
      auto reply = send_once(call, scopes, authorization);
      const auto status = reply.status();
      if (status == 401 && reply.url.same_origin(base()) && challenges < kMaxChallenges &&
          session_.authenticator().learn(auth_target(), scopes, reply.answer->headers(), authorization)) {
        ++challenges;
        continue;
      }
      if (!is_retryable_status(status)) return reply;
      const std::chrono::milliseconds floor =
          parse_retry_after(reply.header("Retry-After"), std::time(nullptr))
              .value_or(std::chrono::seconds(0));
      wait = backoff.next(floor);
      if (status == 429 && wait && !session_.rate_limits().note(host, *wait)) return reply;
      if (!wait || call.retry == Call::Retry::no) return reply;
    } catch (const TransferError& error) {
      if (call.retry == Call::Retry::no) throw;
      wait = backoff.next_after(error);
      if (!wait) throw;
    }
    pause_for(*wait, stop_);
  }
}

// What a server speaks that may speak plain HTTP. It is asked without credentials and for nothing, so that
// any certificate will do and none has to be read. One asks, the others wait; without an answer the next one
// asks.
void EndpointClient::find_protocol() {
  using Protocol = RegistrySession::Protocol;
  const auto server = endpoint_.base.authority();
  const auto is_known = [&] {
    return endpoint_.scheme != Endpoint::Scheme::https_or_http ||
           session_.protocol_of(server) != Protocol::unknown;
  };
  if (is_known()) return;
  const std::scoped_lock search(session_.protocol_search());
  if (is_known()) return;
  TlsSettings any;
  any.verify = TlsSettings::Verify::no;
  HttpRequest request;
  request.method = "HEAD";
  request.url = concat(endpoint_.base.to_string(), '/');
  request.tls = std::make_shared<const TlsSettings>(std::move(any));
  try {
    session_.http().send(request, stop_);
    session_.note_protocol(server, Protocol::https);
  } catch (const TransferError& error) {
    if (error.kind() == TransferError::Kind::not_tls) session_.note_protocol(server, Protocol::plain_http);
  }
}

Reply EndpointClient::send_once(const Call& call, const Scopes& scopes, std::string& authorization) {
  auto url = call.url ? *call.url : url_of(call.path);
  // A Location that the server built from what a proxy told it may name http for its own https port.
  if (const auto own = base(); call.url && url.host == own.host && url.scheme != own.scheme) {
    url.scheme = own.scheme;
    url.port = own.port;
  }
  HttpRequest request;
  request.method = call.method;
  request.headers = call.headers;
  request.body_size = call.body_size;
  request.wire = call.wire;
  const auto own = base();
  if (url.same_origin(own))
    authorization = session_.authenticator().authorization(auth_target(), scopes, stop_);
  const auto for_server = [&](HttpRequest& sent, const Url& server) {
    if (server.host == own.host) sent.tls = endpoint_.tls;
    if (!server.same_origin(own)) return;
    if (!authorization.empty()) sent.headers.add("Authorization", authorization);
    for (const auto& [name, value] : endpoint_.headers) sent.headers.add(name, value);
  };
  return send_following(session_.http(), std::move(request), std::move(url), call.body, for_server, stop_);
}

void EndpointClient::fail(Reply& reply) {
  const auto status = reply.status();
  RegistryError error(reply.method, reply.url.to_string(), status,
                      parse_registry_errors(error_body(*reply.answer)));
  if (status == 401 || status == 403)
    error.with_hint(
        concat(endpoint_.registry, " refused ", session_.authenticator().describe(auth_target(), stop_),
               endpoint_.repository.empty() ? std::string("; check user name and password")
                                            : concat("; log in with 'dash-build login ", endpoint_.registry,
                                                     "', or ask for access to ", endpoint_.repository)));
  else if (status == 407)
    error.with_hint("the proxy wants credentials: https_proxy=http://USER:PASSWORD@PROXY:PORT");
  else if (error.has_code("MANIFEST_BLOB_UNKNOWN"))
    error.with_hint(
        "the registry lacks something that the manifest names, though it said before that it has it: its "
        "clean-up ran meanwhile, or it remembers what is gone; run this again, or restart the registry");
  else if (status == 404 && (error.has_code("NAME_UNKNOWN") || reply.url.path.ends_with("/tags/list")))
    error.with_hint(concat("the registry has no repository ", endpoint_.repository, ", or hides it"));
  else if (status == 404)
    error.with_hint(
        concat("'dash-build tags ", endpoint_.registry, '/', endpoint_.repository, "' lists what is there"));
  else if (status == 405 && reply.method != "GET" && reply.method != "HEAD")
    error.with_hint(
        concat(endpoint_.registry,
               " takes no writes: it is read-only, or a cache of another registry; ask its operator, or "
               "use another"));
  else if (status == 413)
    error.with_hint("the registry, or a proxy before it, limits the size of requests");
  else if (status == 429)
    error.with_hint(
        "the registry limits how much may be asked of it; log in, use a mirror, or try again later");
  else if (status >= 500)
    error.with_hint("the registry has a problem; try again later");
  throw error;
}

}  // namespace dash::registry
