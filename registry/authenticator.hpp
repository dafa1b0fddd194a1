// Tokens and passwords for requests: what a registry's challenge asks for (distribution's token and OAuth2
// specifications), kept per scope and renewed before it runs out.
#pragma once

#include "registry/credentials.hpp"
#include "registry/http_client.hpp"
#include "registry/retry.hpp"
#include "registry/url.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

namespace dash::registry {

// What a token may be used for: "repository:NAME:pull,push". Sorted, so that equal sets share a token.
using Scopes = std::set<std::string>;

// The server that a request goes to, and under which name its credentials are known.
struct AuthTarget {
  Url origin;
  std::string registry;    // "registry.example:5000"
  std::string repository;  // may be empty
  std::shared_ptr<const TlsSettings> tls;
};

// Thread-safe; threads that need the same token wait for one request.
class Authenticator {
 public:
  Authenticator(HttpClient& http, Keychain& keychain, const RetryPolicy& policy)
      : http_(http), keychain_(keychain), policy_(policy) {}

  // The Authorization field for a request, as far as the server's wishes are known; empty: send none.
  // Fetches a token where needed. Throws Error(denied) when that is refused; it says where the credentials
  // came from.
  std::string authorization(const AuthTarget& target, const Scopes& scopes, std::stop_token stop);
  // The server answered 401 to a request with the field `used`: learns from its challenges and forgets that
  // token. True when a further try can be different.
  bool learn(const AuthTarget& target, Scopes& scopes, const HttpHeaders& answer, const std::string& used);
  // Whether the server has asked for credentials so far.
  bool asks_for_credentials(const AuthTarget& target);
  // "the credentials from FILE" or "no credentials", for messages.
  std::string describe(const AuthTarget& target, std::stop_token stop);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Scheme { none, basic, bearer };
  struct Wish {
    Scheme scheme = Scheme::none;
    std::string realm;
    std::string service;
  };
  struct Token {
    std::string value;  // empty: none
    Clock::time_point renew_at;
    bool is_good() const { return !value.empty() && Clock::now() < renew_at; }
  };
  struct TokenPlace {
    std::mutex fetching;  // held while the token server is asked; taken before `mutex_`
    Token token;          // under `mutex_`
  };
  std::string bearer(const AuthTarget& target, const Wish& wish, const Scopes& scopes, std::stop_token stop);
  Token fetch(const AuthTarget& target, const Wish& wish, const Scopes& scopes,
              const std::optional<Credential>& credential, const std::stop_token& stop);

  HttpClient& http_;
  Keychain& keychain_;
  const RetryPolicy& policy_;
  std::mutex mutex_;                          // never held while anything is waited for
  std::map<std::string, Wish> wishes_;        // by origin
  std::map<std::string, TokenPlace> tokens_;  // never removed
};

}  // namespace dash::registry
