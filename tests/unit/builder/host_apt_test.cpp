#include "builder/system/host_apt.hpp"

#include "base/file.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

std::vector<std::string> lines(const std::vector<AptSource>& sources) {
  std::vector<std::string> out;
  for (const auto& source : sources) out.push_back(source.to_line());
  return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("one-line sources") {
  const auto found = parse_apt_sources(
      "# deb http://a.example/x y main\r\n"
      "deb http://deb.example/debian bookworm main contrib # note\r\n"
      "deb-src http://deb.example/debian bookworm main\n"
      "deb [arch=amd64 signed-by=/k.gpg] http://other.example/apt stable main\n"
      "deb http://flat.example ./\n"
      "deb [broken http://b.example x main\n"
      "deb",
      AptSourceFormat::one_line);
  CHECK(lines(found) == Lines{"deb http://deb.example/debian bookworm main contrib",
                              "deb [signed-by=/k.gpg] http://other.example/apt stable main",
                              "deb http://flat.example ./"});
}

TEST_CASE("deb822 sources") {
  const auto found = parse_apt_sources(
      "Types: deb deb-src\n"
      "# a comment\n"
      "URIs: http://deb.example/debian\n"
      "Suites: bookworm bookworm-updates\n"
      "Components: main\n"
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
      "\n\n"
      "Types: deb\nURIs: http://off.example\nSuites: x\nComponents: main\nEnabled: no\n"
      "\n"
      "types: deb\nuris: http://inline.example\nsuites: bookworm\ncomponents: main\nsigned-by:\n"
      " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n",
      AptSourceFormat::deb822);
  CHECK(lines(found) ==
        Lines{"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.example/debian "
              "bookworm main",
              "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.example/debian "
              "bookworm-updates main",
              "deb [signed-by=inline] http://inline.example bookworm main"});
}

TEST_CASE("only Debian's own sources of the release make a base image") {
  TempDirectory etc("/tmp");
  CHECK(read_apt_sources(etc.path()).empty());
  make_directories(etc.path() / "sources.list.d");
  write_file_atomic(etc.path() / "sources.list", "deb http://deb.example/debian bookworm main\n");
  write_file_atomic(etc.path() / "sources.list.d" / "a.list",
                    "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example bookworm main\n"
                    "deb http://deb.example/debian trixie main\n"
                    "deb http://deb.example/debian bookworm-security main\n"
                    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
                    "http://deb.example/debian bookworm main\n"
                    "deb http://pg.example bookworm-pgdg main\n"
                    "deb http://vendor.example bookworm stable\n");
  write_file_atomic(etc.path() / "sources.list.d" / "b.list.disabled",
                    "deb http://no.example bookworm main\n");
  CHECK(lines(debian_sources(read_apt_sources(etc.path()), "bookworm")) ==
        Lines{"deb http://deb.example/debian bookworm main",
              "deb http://deb.example/debian bookworm-security main"});
}

TEST_CASE("transport settings are what another apt needs to reach the archives") {
  const std::string dump =
      "Acquire \"\";\n"
      "Acquire::Check-Date \"false\";\n"
      "Acquire::http \"\";\n"
      "Acquire::http::Proxy \"http://proxy.example:3128\";\n"
      "Acquire::http::Proxy-Auto-Detect \"/usr/bin/detect\";\n"
      "Acquire::https::CaInfo \"/host/ca.pem\";\n"
      "Acquire::https::deb.example::SslKey \"/host/key.pem\";\n"
      "Acquire::https::deb.example::Verify-Peer \"false\";\n"
      "Acquire::httpsomething::x \"1\";\n"
      "Acquire::IndexTargets::deb::Packages::MetaKey \"x\";\n";
  CHECK(select_transport_settings(dump, "") == Lines{"Acquire::Check-Date \"false\";",
                                                     "Acquire::http::Proxy \"http://proxy.example:3128\";",
                                                     "Acquire::https::deb.example::Verify-Peer \"false\";"});
  CHECK(select_transport_settings("", "/run/ca.crt") == Lines{"Acquire::https::CaInfo \"/run/ca.crt\";"});
}
