// certs.d and registries.conf: who is asked for a repository, in which order.
#include "registry/hosts.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;

namespace {

struct Hosts {
  TempDirectory directory = dash::testing::make_temp_directory();
  HostsSettings settings;

  Hosts() { settings.certs_directories = {directory.path() / "certs.d"}; }
  fs::path write(const std::string& name, const std::string& text) {
    const auto path = directory.path() / name;
    make_directories(path.parent_path());
    write_file_atomic(path, text);
    return path;
  }
  void registries(const std::string& text) { settings.registries_files = {write("registries.conf", text)}; }
  std::vector<Endpoint> find(const std::string& registry, const std::string& repository = "team/app") const {
    return HostsConfig(settings).endpoints(registry, repository);
  }
  // "URL repository flags", one per endpoint.
  std::vector<std::string> show(const std::string& registry,
                                const std::string& repository = "team/app") const {
    std::vector<std::string> out;
    for (const auto& e : find(registry, repository))
      out.push_back(concat(e.base.to_string(), ' ', e.repository, ' ', e.pulls ? "l" : "",
                           e.resolves ? "r" : "", e.pushes ? "p" : "",
                           e.role == Endpoint::Role::mirror ? " mirror" : "",
                           e.scheme == Endpoint::Scheme::https_or_http ? " http" : "",
                           e.tls->verify == TlsSettings::Verify::no ? " insecure" : ""));
    return out;
  }
};

using Shown = std::vector<std::string>;

}  // namespace

TEST_CASE("hosts: without files, plain HTTP only on loopback or by name") {
  Hosts h;
  CHECK(h.show("registry.example") == Shown{"https://registry.example/v2 team/app lrp"});
  CHECK(h.show("localhost:5000") == Shown{"https://localhost:5000/v2 team/app lrp http"});
  h.settings.insecure = {"registry.example"};
  CHECK(h.show("registry.example") == Shown{"https://registry.example/v2 team/app lrp http insecure"});
  CHECK(error_of([&] { h.find("registry.example/x"); }) ==
        "usage: 'registry.example/x' is not a registry's host name | write HOST[:PORT], without https:// and "
        "without a path: registry.example:5000");
}

TEST_CASE("hosts: hosts.toml in the order of the file") {
  Hosts h;
  h.write("certs.d/registry.example/hosts.toml", R"(
server = "https://origin.example"
ca = "own.crt"
[host."https://z-mirror.example/cache"]
  capabilities = ["pull", "resolve"]
  client = [["c.pem", "k.pem"]]
  [host."https://z-mirror.example/cache".header]
    x-team = ["a", "b"]
[host."http://a-mirror.example:8080/v2/proxy"]
  override_path = true
  capabilities = "pull"
  skip_verify = true
)");
  const auto here = h.directory.path() / "certs.d/registry.example";
  CHECK(error_of([&] { h.find("registry.example"); }) ==
        concat("invalid_input: ", (here / "hosts.toml").string(), ":6: ", (here / "c.pem").string(),
               " does not exist | "));
  for (const auto* name : {"c.pem", "k.pem", "own.crt"})
    h.write(concat("certs.d/registry.example/", name), "");
  CHECK(h.show("registry.example") ==
        Shown{"https://z-mirror.example/cache/v2 team/app lr mirror",
              "http://a-mirror.example:8080/v2/proxy team/app l mirror insecure",
              "https://origin.example/v2 team/app lrp"});
  const auto endpoints = h.find("registry.example");
  CHECK(endpoints[0].tls->client_certificate == here / "c.pem");
  CHECK(endpoints[0].tls->client_key == here / "k.pem");
  CHECK(endpoints[0].headers.all("X-Team") == std::vector<std::string_view>{"a", "b"});
  CHECK(endpoints[2].tls->extra_cas == std::vector<fs::path>{here / "own.crt"});
}

TEST_CASE("hosts: Docker's certificate files, directories with other names") {
  Hosts h;
  for (const auto* name : {"b.crt", "a.crt", "me.cert", "me.key"})
    h.write(concat("certs.d/registry.example_5000_/", name), "");
  const auto here = h.directory.path() / "certs.d/registry.example_5000_";
  const auto tls = h.find("registry.example:5000")[0].tls;
  CHECK(tls->extra_cas == std::vector<fs::path>{here / "a.crt", here / "b.crt"});
  CHECK(tls->client_certificate == here / "me.cert");
  h.write("certs.d/_default/x.cert", "");
  CHECK(contains(error_of([&] { h.find("other.example"); }), "x.cert is a client certificate, but "));
}

TEST_CASE("hosts: registries.conf") {
  Hosts h;
  h.registries(R"(
unqualified-search-registries = ["registry.example"]
[[registry]]
location = "registry.example"
[[registry.mirror]]
location = "mirror.example/cache"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "registry.example/team"
location = "other.example/group"
[[registry]]
prefix = "bad.example"
blocked = true
[[registry]]
prefix = "*.lab.example"
insecure = true
[aliases]
"sales" = "apps.example/team/sales"
)");
  CHECK(h.show("registry.example", "base/x") ==
        Shown{"https://mirror.example/v2 cache/base/x l mirror", "https://registry.example/v2 base/x lrp"});
  CHECK(h.show("registry.example", "team/app") == Shown{"https://other.example/v2 group/app lrp"});
  CHECK(h.show("registry.example", "teams") ==
        Shown{"https://mirror.example/v2 cache/teams l mirror", "https://registry.example/v2 teams lrp"});
  CHECK(h.show("r.lab.example", "x") == Shown{"https://r.lab.example/v2 x lrp http insecure"});
  CHECK(h.show("lab.example", "x") == Shown{"https://lab.example/v2 x lrp"});
  CHECK(error_of([&] { h.find("bad.example"); }) ==
        "denied: bad.example/team/app is blocked by bad.example in registries.conf | remove 'blocked' from "
        "registries.conf, or use another registry");
  const HostsConfig config(h.settings);
  CHECK(config.complete(oci::Reference::parse("sales:2")).to_string() == "apps.example/team/sales:2");
  CHECK(config.complete(oci::Reference::parse("app:2")).to_string() == "registry.example/app:2");
  CHECK(config.complete(oci::Reference::parse("a.example/app:2")).to_string() == "a.example/app:2");
}

TEST_CASE("hosts: files that are wrong are named with the line") {
  Hosts h;
  const auto complain = [&](const std::string& text) {
    h.registries(text);
    return error_of([&] { const HostsConfig config(h.settings); });
  };
  const auto file = concat("invalid_input: ", (h.directory.path() / "registries.conf").string());
  CHECK(contains(complain("\nx = ["), file + ":2: "));
  CHECK(complain("[[registry]]\nlocation = 5") == file + ":2: location must be a string | ");
  CHECK(complain("[[registry]]\ninsecure = true") == file + ":1: a registry needs a location or a prefix | ");
  CHECK(complain("[[registry]]\nlocation = \"a\"\ninsecure = \"yes\"") ==
        file + ":3: insecure must be true or false | ");
  h.settings.registries_files.clear();
  const auto hosts = h.write("certs.d/a.example/hosts.toml", "server = \"ftp://x\"\n");
  CHECK(error_of([&] { h.find("a.example"); }) ==
        concat("invalid_input: ", hosts.string(), ":1: 'ftp://x' is not a URL of a registry | "));
  CHECK(error_of([&] { HostsConfig(h.settings).complete(oci::Reference::parse("app")); }) ==
        "usage: 'app' names no registry | write it in full: REGISTRY/app, or define an alias in "
        "registries.conf");
}

TEST_CASE("hosts: what completes a name without a registry has one") {
  for (const auto* text :
       {"[aliases]\napp = \"team/app\"\n", "unqualified-search-registries = [\"team\"]\n"}) {
    Hosts h;
    h.registries(text);
    CHECK(error_of([&] { HostsConfig(h.settings).complete(oci::Reference::parse("app")); }) ==
          "invalid_input: registries.conf completes 'app' to 'team/app', which names no registry either | "
          "aliases and unqualified-search-registries name hosts: registry.example, localhost:5000");
  }
}
