// Credentials from files and helpers, and what is said when they are wrong.
#include "registry/credentials.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::error_of;

namespace {

struct Files {
  TempDirectory directory = dash::testing::make_temp_directory();
  CredentialSettings settings;

  fs::path write(const std::string& name, const std::string& text) {
    const auto path = directory.path() / name;
    write_file_atomic(path, text, 0755);
    return path;
  }
  fs::path add(const std::string& name, const std::string& text) {
    settings.files.push_back(write(name, text));
    return settings.files.back();
  }
  // "user password token" of what is found, or "none".
  std::string find(const std::string& registry, const std::string& repository = "team/app") {
    const auto found = Keychain(settings).find(registry, repository, {});
    return found ? concat(found->user, ' ', found->password, ' ', found->identity_token) : "none";
  }
};

}  // namespace

TEST_CASE("credentials: files in order, keys in all their forms, the longest namespace") {
  Files f;
  f.settings.files.push_back(f.directory.path() / "absent.json");
  f.add("config.json", R"({"auths":{"https://a.example/v1/":{"auth":"c2FtOm9wZW4="},
    "b.example":{"auth":"dG9tOmE6Yg=="},"b.example/team":{"auth":"dGltOng="},"c.example":{},
    "d.example":{"auth":"PHRva2VuPjo=","identitytoken":"refresh"}}})");
  f.add("auth.json",
        R"({"auths":{"a.example":{"auth":"bm86bm8="},"c.example":{"username":"kim","password":"p"}}})");
  CHECK(f.find("a.example") == "sam open ");
  CHECK(f.find("b.example", "other/app") == "tom a:b ");
  CHECK(f.find("b.example", "team/app") == "tim x ");
  CHECK(f.find("b.example", "teams/app") == "tom a:b ");
  CHECK(f.find("c.example") == "kim p ");
  CHECK(f.find("d.example") == "<token>  refresh");
  CHECK(f.find("e.example") == "none");
  f.settings.given["a.example"] = {"me", "mine", "", "", "--creds"};
  CHECK(f.find("a.example") == "me mine ");
}

TEST_CASE("credentials: helpers") {
  Files f;
  f.write("docker-credential-good",
          "#!/bin/sh\nread host\ncase $host in a.example) echo '{\"Username\":\"sam\",\"Secret\":\"s\"}';;\n"
          "t.example) echo '{\"Username\":\"<token>\",\"Secret\":\"r\"}';;\n"
          "*) echo 'credentials not found in native keychain'; exit 1;; esac\n");
  f.write("docker-credential-bad", "#!/bin/sh\necho secret-in-output\nexit 3\n");
  f.settings.helper_environment = {"PATH=" + f.directory.path().string() + ":/usr/bin:/bin"};
  const auto file =
      f.add("config.json", R"({"credsStore":"good","credHelpers":{"x.example":"bad","y.example":"absent",
    "z.example":"../evil"},"auths":{"b.example":{"auth":"dG9tOngK"}}})");
  CHECK(f.find("a.example") == "sam s ");
  CHECK(f.find("t.example") == "  r");
  CHECK(f.find("b.example") == "tom x\n ");
  CHECK(f.find("c.example") == "none");
  CHECK(
      error_of([&] { f.find("x.example"); }) ==
      concat("denied: the credential helper docker-credential-bad, which ", file.string(),
             " names, failed with exit code 3 | run 'echo REGISTRY | docker-credential-bad get' to see why"));
  CHECK(contains(error_of([&] { f.find("y.example"); }),
                 "names the credential helper docker-credential-absent, which cannot be run: "));
  CHECK(contains(error_of([&] { f.find("z.example"); }),
                 "names a credential helper '../evil', which is no program"));
}

TEST_CASE("credentials: files that are wrong are named, their content is not") {
  for (const auto* text : {"{secret", "[\"secret\"]", "secret"}) {
    Files f;
    const auto file = f.add("config.json", text);
    CHECK(error_of([&] { f.find("a.example"); }) ==
          concat("invalid_input: ", file.string(),
                 " is not a JSON object | this file holds registry credentials; mend it, "
                 "or write it again with 'dash-build login'"));
  }
  Files f;
  const auto file = f.add("config.json", R"({"auths":{"a.example":{"auth":"c2VjcmV0"}}})");
  CHECK(error_of([&] { f.find("a.example"); }) ==
        concat("invalid_input: ", file.string(),
               ": the entry 'a.example' has an 'auth' that is no Base64 of user:password | "
               "write it again with 'dash-build login'"));
}

TEST_CASE("credentials: login and logout keep the rest of the file") {
  Files f;
  const auto file = f.directory.path() / "new" / "config.json";
  f.settings.files = {file};
  store_login(file, "a.example", {"sam", "open sesame", "", "", ""}, f.settings, {});
  store_login(file, "b.example", {"tom", "x", "", "", ""}, f.settings, {});
  CHECK(f.find("a.example") == "sam open sesame ");
  CHECK((fs::status(file).permissions() & fs::perms::others_read) == 0);
  CHECK(remove_login(file, "a.example", f.settings, {}));
  CHECK_FALSE(remove_login(file, "a.example", f.settings, {}));
  CHECK(f.find("a.example") == "none");
  CHECK(f.find("b.example") == "tom x ");
}
