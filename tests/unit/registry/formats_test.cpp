// What servers and files say, as values: URLs, challenges, links, errors, Retry-After, Base64.
#include "registry/base64.hpp"
#include "registry/challenge.hpp"
#include "registry/link.hpp"
#include "registry/registry_error.hpp"
#include "registry/retry.hpp"
#include "registry/url.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;

TEST_CASE("url: taken apart and resolved") {
  const auto url = Url::parse("HTTPS://user:pw@Registry.Example:5000/v2/a?x=1#f");
  REQUIRE(url);
  CHECK(url->to_string() == "https://registry.example:5000/v2/a?x=1");
  CHECK(url->authority() == "registry.example:5000");
  CHECK(url->resolve("/other")->to_string() == "https://registry.example:5000/other");
  CHECK(url->resolve("b?y=2")->to_string() == "https://registry.example:5000/v2/b?y=2");
  CHECK(url->resolve("//cdn.example/z")->to_string() == "https://cdn.example/z");
  CHECK(url->resolve("http://[::1]:8080/z")->authority() == "[::1]:8080");
  CHECK(url->with_parameter("digest", "sha256:ab").query == "x=1&digest=sha256%3Aab");
  CHECK(Url::parse("https://registry.example:443/")->authority() == "registry.example");
  for (const auto* bad :
       {"", "registry.example/v2", "ftp://a/", "https://a:0/", "https://a b/", "file:///etc"})
    CHECK_FALSE(Url::parse(bad));
  CHECK_FALSE(url->resolve("ftp://x/"));
}

TEST_CASE("url: addresses that are not public") {
  for (const auto* host :
       {"localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:80", "::1", "[::1]:5000", "a.localhost"})
    CHECK(is_loopback_host(host));
  for (const auto* host : {"registry.example", "localhost.example", "128.0.0.1", "10.0.0.1:5000"})
    CHECK_FALSE(is_loopback_host(host));
  for (const auto* address :
       {"127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "::1", "fe80::1", "fc00::1", "fd12::1", "::ffff:10.0.0.1", "::", "fe80::1%eth0"})
    CHECK(is_private_address(address));
  for (const auto* address : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "registry.example", ""})
    CHECK_FALSE(is_private_address(address));
}

TEST_CASE("challenge: one or several, quoted or not, malformed") {
  using Challenges = std::vector<Challenge>;
  CHECK(parse_challenges(
            R"(Bearer realm="https://a.example/token",service="a",scope="repository:x:pull,push")") ==
        Challenges{
            {"bearer",
             {{"realm", "https://a.example/token"}, {"service", "a"}, {"scope", "repository:x:pull,push"}}}});
  CHECK(parse_challenges(R"(Negotiate, Basic realm="a \"b\", c", BEARER realm=x)") ==
        Challenges{{"negotiate", {}}, {"basic", {{"realm", "a \"b\", c"}}}, {"bearer", {{"realm", "x"}}}});
  CHECK(parse_challenges("").empty());
  CHECK(parse_challenges("=,=\"x\",,").empty());
  CHECK(parse_challenges(R"(Bearer realm="open)") == Challenges{{"bearer", {{"realm", "open"}}}});
  CHECK(parse_challenges("Bearer realm = x , service=y") ==
        Challenges{{"bearer", {{"realm", "x"}, {"service", "y"}}}});
}

TEST_CASE("link: the next page") {
  CHECK(next_link("</v2/a/tags/list?last=b&n=2>; rel=\"next\"") == "/v2/a/tags/list?last=b&n=2");
  CHECK(next_link("<a>; rel=prev, <b>; type=x; REL=next") == "b");
  CHECK(next_link("<a>; rel=\"first next\"") == "a");
  for (const auto* none : {"", "<a>", "a; rel=next", "<a; rel=next", "<a>; rel=prev"})
    CHECK_FALSE(next_link(none));
}

TEST_CASE("registry error: codes, tamed") {
  CHECK(parse_registry_errors(
            R"({"errors":[{"code":"DENIED","message":"no\u0007\nway","detail":{}},{"code":"X"}]})") ==
        std::vector<RegistryErrorCode>{{"DENIED", "no  way"}, {"X", ""}});
  for (const auto* none : {"", "<html>", "[]", "{}", R"({"errors":"x"})", R"({"errors":[1]})"})
    CHECK(parse_registry_errors(none).empty());
  const RegistryError error("GET", "https://user:pw@a.example/x?token=1", 403, {{"DENIED", "no"}, {"X", ""}});
  CHECK(error.message() == "GET https://a.example/x: 403 DENIED: no; X");
  CHECK(error.code() == ErrorCode::denied);
  CHECK(RegistryError("GET", "https://a.example/", 410, {}).code() == ErrorCode::not_found);
  CHECK(RegistryError("GET", "https://a.example/", 400, {}).code() == ErrorCode::invalid_input);
  CHECK(RegistryError("GET", "https://a.example/", 302, {}).code() == ErrorCode::unavailable);
}

TEST_CASE("retry: which answers, and how long") {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) CHECK(is_retryable_status(status));
  for (const int status : {200, 301, 400, 401, 403, 404, 501, 505}) CHECK_FALSE(is_retryable_status(status));
  using std::chrono::seconds;
  CHECK(parse_retry_after("7", 0) == seconds(7));
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 30) == seconds(30));
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 30) == seconds(0));
  CHECK_FALSE(parse_retry_after("soon", 0));
  CHECK_FALSE(parse_retry_after("-1", 0));

  RetryPolicy policy;
  policy.retries = 3;
  policy.base = std::chrono::milliseconds(100);
  policy.ceiling = std::chrono::milliseconds(150);
  Backoff backoff(policy);
  CHECK(*backoff.next() <= std::chrono::milliseconds(100));
  CHECK(*backoff.next(seconds(5)) == seconds(5));
  CHECK(*backoff.next() <= std::chrono::milliseconds(150));
  CHECK_FALSE(backoff.next());
  CHECK_FALSE(Backoff(policy).next(std::chrono::hours(1)));
}

TEST_CASE("retry: a host's budget for its limits") {
  RetryPolicy policy;
  policy.rate_limit_budget = std::chrono::seconds(10);
  RateLimits limits(policy);
  CHECK(limits.note("a", std::chrono::seconds(8)));
  CHECK(limits.note("a", std::chrono::seconds(8)));  // the same wait, noted by another thread
  CHECK_FALSE(limits.note("a", std::chrono::seconds(20)));
  CHECK(limits.note("b", std::chrono::seconds(8)));
  std::stop_source stop;
  stop.request_stop();
  CHECK(dash::testing::brief_error_of([&] { limits.wait("a", stop.get_token()); }) ==
        "canceled: canceled while waiting to try again");
}

TEST_CASE("base64: both ways") {
  for (const auto& [text, encoded] :
       {std::pair("", ""), std::pair("f", "Zg=="), std::pair("fo", "Zm8="), std::pair("foo", "Zm9v"),
        std::pair("user:pässwörd", "dXNlcjpww6Rzc3fDtnJk")}) {
    CHECK(base64_encode(text) == encoded);
    CHECK(base64_decode(encoded) == text);
  }
  CHECK(base64_decode("Zg") == "f");
  for (const auto* bad : {"Z", "Zg=x", "Z g=", "Zm9v!"}) CHECK_FALSE(base64_decode(bad));
}
