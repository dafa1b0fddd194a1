#include "registry/proxies.hpp"

#include <catch2/catch.hpp>

using namespace dash::registry;

TEST_CASE("proxies: no_proxy") {
  struct Case {
    const char* list;
    const char* host;
    bool bypassed;
  };
  const Case cases[] = {
      {"", "registry.example", false},
      {"registry.example", "registry.example", true},
      {"example", "registry.example", true},
      {".example", "registry.example", true},
      {"*.example", "registry.example", true},
      {"ample", "registry.example", false},
      {"a.example, REGISTRY.example", "Registry.Example", true},
      {"a.example registry.example", "registry.example", true},
      {"*", "registry.example", true},
      {"10.0.0.0/8", "10.1.2.3", true},
      {"10.0.0.0/8", "11.1.2.3", false},
      {"10.1.2.0/23", "10.1.3.255", true},
      {"10.1.2.0/23", "10.1.4.0", false},
      {"0.0.0.0/0", "10.1.4.0", true},
      {"10.1.2.3", "10.1.2.3", true},
      {"2.3", "10.1.2.3", false},
      {"fd00::/8", "fd12::1", true},
      {"[fd12::1]", "fd12::1", true},
      {"10.0.0.0/33", "10.0.0.0", false},
      {"10.0.0.0/x", "10.0.0.0", false},
      {"10.0.0.0/8", "fd12::1", false},
  };
  for (const auto& c : cases) {
    INFO(c.list << " " << c.host);
    CHECK(in_no_proxy(c.list, c.host) == c.bypassed);
  }
}

TEST_CASE("proxies: which variable counts") {
  const std::map<std::string, std::string> variables = {
      {"https_proxy", "http://secure:1"}, {"HTTP_PROXY", "http://plain:2"}, {"no_proxy", "near.example"}};
  const auto of = [&](const char* url) { return proxy_for(*Url::parse(url), variables); };
  CHECK(of("https://registry.example/") == "http://secure:1");
  CHECK(of("http://registry.example/") == "http://plain:2");
  CHECK(of("https://near.example/").empty());
  CHECK(of("https://localhost:5000/").empty());
  CHECK(of("http://127.0.0.1:5000/").empty());
  CHECK(of("http://[::1]:5000/").empty());
  CHECK(proxy_for(*Url::parse("https://a.example/"), {{"all_proxy", "socks5://x"}}) == "socks5://x");
}
