// Requests to one endpoint until they have an answer that counts: credentials, redirects, retries.
#pragma once

#include "registry/redirects.hpp"
#include "registry/registry_session.hpp"

#include <optional>
#include <stop_token>
#include <string>

namespace dash::registry {

struct Call {
  std::string method = "GET";
  std::string path;        // below the repository: "/manifests/latest"
  std::optional<Url> url;  // in full instead, as a Location field gave it
  HttpHeaders headers;
  RestartableSource* body = nullptr;
  std::uint64_t body_size = 0;
  Scopes scopes;
  HttpRequest::Wire wire = HttpRequest::Wire::shared;
  // `no`: a broken transfer is thrown and a 5xx returned at once, because the caller knows better how to go
  // on. Challenges are answered in either case.
  enum class Retry { yes, no } retry = Retry::yes;
};

// Thread-safe. The session must outlive it.
//
// Credentials go to the endpoint's own origin only, wherever redirects and Location fields lead.
class EndpointClient {
 public:
  EndpointClient(RegistrySession& session, Endpoint endpoint, std::stop_token stop)
      : session_(session), endpoint_(std::move(endpoint)), stop_(std::move(stop)) {}

  const Endpoint& endpoint() const { return endpoint_; }
  const std::stop_token& stop() const { return stop_; }
  // "https://host/v2/repository" + path.
  Url url_of(const std::string& path) const;

  // The answer, whatever its status, after at most two challenges and as many retries as the policy allows.
  // Throws TransferError, Error(denied) for refused credentials and redirects, Error(canceled).
  Reply send(const Call& call);
  // Whether the server has asked for credentials so far.
  bool asks_for_credentials() const { return session_.authenticator().asks_for_credentials(auth_target()); }
  // Throws the RegistryError for an answer that should not be, with a hint about what to do.
  [[noreturn]] void fail(Reply& reply);

 private:
  Url base() const;
  AuthTarget auth_target() const;
  void find_protocol();
  Reply send_once(const Call& call, const Scopes& scopes, std::string& authorization);

  RegistrySession& session_;
  Endpoint endpoint_;
  std::stop_token stop_;
};

}  // namespace dash::registry
