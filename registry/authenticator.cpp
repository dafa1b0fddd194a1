#include "registry/authenticator.hpp"

#include "base/text.hpp"
#include "registry/base64.hpp"
#include "registry/challenge.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxTokenAnswer = std::uint64_t{1} << 20;
constexpr std::chrono::seconds kDefaultLife{60};  // when the token server does not say (token.md)
constexpr const char* kClientId = "dash-build";

std::string origin_key(const Url& origin) {
  return concat(origin.scheme, "://", origin.authority());
}

Url checked_realm(const AuthTarget& target, const std::string& realm) {
  auto url = Url::parse(realm);
  if (!url)
    throw Error(ErrorCode::invalid_input, concat(target.registry, " names the token server ",
                                                 dash::quoted(redact_url(realm)), ", which is no URL"));
  if (url->scheme == "http" && target.origin.scheme == "https")
    throw Error(ErrorCode::denied, concat(target.registry, " wants credentials sent to ", redact_url(realm),
                                          ", which is not encrypted; they were not sent"));
  return *url;
}

// "scope=a&scope=b" or, for a form, "scope=a b".
HttpRequest token_request(Url realm, const std::string& service, const Scopes& scopes,
                          const std::optional<Credential>& credential, std::string& form) {
  HttpRequest request;
  if (credential && !credential->identity_token.empty()) {
    std::vector<std::string> words(scopes.begin(), scopes.end());
    form = concat("grant_type=refresh_token&client_id=", kClientId, "&service=", percent_encode(service),
                  "&scope=", percent_encode(join(words, " ")),
                  "&refresh_token=", percent_encode(credential->identity_token));
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body_size = form.size();
  } else {
    if (!service.empty()) realm = realm.with_parameter("service", service);
    for (const auto& scope : scopes) realm = realm.with_parameter("scope", scope);
    if (credential && !credential->user.empty()) {
      realm = realm.with_parameter("account", credential->user);
      request.headers.add("Authorization",
                          "Basic " + base64_encode(concat(credential->user, ':', credential->password)));
    }
  }
  request.headers.add("Accept", "application/json");
  request.url = realm.to_string();
  return request;
}

// "repository:app:pull,push" covers "repository:app:pull".
bool covers(const std::string& scope, const std::string& wanted) {
  const auto colon = scope.rfind(':');
  if (colon == std::string::npos || !wanted.starts_with(scope.substr(0, colon + 1))) return false;
  const auto have = split(std::string_view(scope).substr(colon + 1), ',');
  const auto want = split(std::string_view(wanted).substr(colon + 1), ',');
  return std::ranges::all_of(want,
                             [&](auto action) { return std::ranges::find(have, action) != have.end(); });
}

void add_scopes(Scopes& scopes, std::string_view wanted) {
  for (const auto word : split_words(wanted)) {
    const std::string scope(word);
    if (std::ranges::none_of(scopes, [&](const std::string& have) { return covers(have, scope); }))
      scopes.insert(scope);
  }
}

struct TokenAnswer {
  int status = 0;
  std::string body;
};

TokenAnswer ask(HttpClient& http, HttpRequest request, const std::string& form, const RetryPolicy& policy,
                const std::stop_token& stop) {
  Backoff backoff(policy);
  for (;;) {
    MemorySource body(form);
    if (request.body_size > 0) request.body = &body;
    std::optional<std::chrono::milliseconds> wait;
    try {
      const auto answer = http.send(request, stop);
      TokenAnswer out{answer->status(), read_all(*answer, kMaxTokenAnswer, "the token server's answer")};
      if (!is_retryable_status(out.status)) return out;
      wait = backoff.next(parse_retry_after(answer->headers().get("Retry-After"), std::time(nullptr))
                              .value_or(std::chrono::seconds(0)));
      if (!wait) return out;
    } catch (const TransferError& error) {
      wait = backoff.next_after(error);
      if (!wait) throw;
    }
    pause_for(*wait, stop);
  }
}

std::string text_at(const Json& json, const char* key) {
  if (!json.is_object()) return {};
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string Authenticator::authorization(const AuthTarget& target, const Scopes& scopes,
                                         std::stop_token stop) {
  Wish wish;
  {
    const std::scoped_lock lock(mutex_);
    wish = wishes_[origin_key(target.origin)];
  }
  if (wish.scheme == Scheme::none) return {};
  if (wish.scheme == Scheme::bearer) return bearer(target, wish, scopes, std::move(stop));
  const auto credential = keychain_.find(target.registry, target.repository, std::move(stop));
  if (!credential || credential->user.empty()) return {};
  return "Basic " + base64_encode(concat(credential->user, ':', credential->password));
}

std::string Authenticator::bearer(const AuthTarget& target, const Wish& wish, const Scopes& scopes,
                                  std::stop_token stop) {
  const auto credential = keychain_.find(target.registry, target.repository, stop);
  if (credential && !credential->registry_token.empty()) return "Bearer " + credential->registry_token;
  auto key = concat(wish.realm, '\n', wish.service, '\n', target.registry, '\n', target.repository);
  for (const auto& scope : scopes) key += '\n' + scope;
  TokenPlace* place = nullptr;
  const auto known = [&] {
    const std::scoped_lock lock(mutex_);
    place = &tokens_[key];
    return place->token.is_good() ? place->token.value : std::string();
  };
  auto value = known();
  if (value.empty()) {
    const std::scoped_lock fetching(place->fetching);
    value = known();  // somebody else may have fetched it meanwhile
    if (value.empty()) {
      auto token = fetch(target, wish, scopes, credential, stop);
      value = token.value;
      const std::scoped_lock lock(mutex_);
      place->token = std::move(token);
    }
  }
  return "Bearer " + value;
}

Authenticator::Token Authenticator::fetch(const AuthTarget& target, const Wish& wish, const Scopes& scopes,
                                          const std::optional<Credential>& credential,
                                          const std::stop_token& stop) {
  const auto realm = checked_realm(target, wish.realm);
  std::string form;
  auto request = token_request(realm, wish.service, scopes, credential, form);
  if (realm.host == target.origin.host) request.tls = target.tls;
  const auto asked_at = Clock::now();
  const auto answer = ask(http_, std::move(request), form, policy_, stop);
  const auto shown = redact_url(wish.realm);
  if (answer.status == 401 || answer.status == 403)
    throw Error(ErrorCode::denied, concat("the token server ", shown, " refused ", describe(target, stop),
                                          " for ", target.registry, " (", answer.status, ")"))
        .with_hint(concat("log in again with 'dash-build login ", target.registry, "'"));
  const auto json = Json::parse(answer.body, nullptr, false);
  auto value = text_at(json, "token");
  if (value.empty()) value = text_at(json, "access_token");
  if (answer.status != 200 || value.empty())
    throw Error(ErrorCode::unavailable, concat("the token server ", shown, " of ", target.registry,
                                               " answered ", answer.status, " without a token"))
        .with_hint("try again later; the registry's operator can see the reason in the token server's log");
  std::chrono::seconds life = kDefaultLife;
  if (const auto found = json.find("expires_in"); found != json.end() && found->is_number())
    life = std::chrono::seconds(std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, 30LL * 24 * 3600));
  // A quarter of its life before the end, but at most half a minute.
  return {std::move(value),
          asked_at + std::max<std::chrono::milliseconds>(life * 3 / 4, life - std::chrono::seconds(30))};
}

bool Authenticator::learn(const AuthTarget& target, Scopes& scopes, const HttpHeaders& answer,
                          const std::string& used) {
  Wish wish;
  for (const auto field : answer.all("WWW-Authenticate"))
    for (const auto& challenge : parse_challenges(field)) {
      const auto parameter = [&](const char* name) {
        const auto found = challenge.parameters.find(name);
        return found == challenge.parameters.end() ? std::string() : found->second;
      };
      if (challenge.scheme == "bearer" && wish.scheme != Scheme::bearer && !parameter("realm").empty()) {
        wish = {Scheme::bearer, parameter("realm"), parameter("service")};
        add_scopes(scopes, parameter("scope"));
      } else if (challenge.scheme == "basic" && wish.scheme == Scheme::none) {
        wish.scheme = Scheme::basic;
      }
    }
  if (wish.scheme == Scheme::none) return false;
  const std::scoped_lock lock(mutex_);
  wishes_[origin_key(target.origin)] = wish;
  for (auto& [key, place] : tokens_)
    if (used == "Bearer " + place.token.value) place.token.value.clear();
  return wish.scheme == Scheme::bearer || !used.starts_with("Basic ");
}

bool Authenticator::asks_for_credentials(const AuthTarget& target) {
  const std::scoped_lock lock(mutex_);
  const auto wish = wishes_.find(origin_key(target.origin));
  return wish != wishes_.end() && wish->second.scheme != Scheme::none;
}

std::string Authenticator::describe(const AuthTarget& target, std::stop_token stop) {
  const auto credential = keychain_.find(target.registry, target.repository, std::move(stop));
  if (credential) return "the credentials from " + credential->origin;
  const auto places = keychain_.places();
  return places.empty() ? std::string("a request without credentials")
                        : concat("a request without credentials (none for it in ", places, ")");
}

}  // namespace dash::registry
