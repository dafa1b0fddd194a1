#include "builder/python/uv_settings.hpp"

#include "base/text.hpp"
#include "builder/percent.hpp"
#include "builder/python/pip_configuration.hpp"
#include "builder/python/similar_names.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;
using Map = std::map<std::string, std::string>;
using Names = std::vector<std::string>;

namespace {

UvSettings settings_of(const Map& settings, const RequirementsFiles& files = {}, const Map& variables = {}) {
  HostSettings host;
  host.index_settings = settings;
  host.variables = variables;
  return uv_settings(host, files, "/src/app");
}

std::string shown(const std::vector<SandboxMount>& mounts) {
  std::string out;
  for (const auto& mount : mounts) out += concat(mount.source.string(), " at ", mount.target, "; ");
  return out;
}

}  // namespace

TEST_CASE("pip's settings in uv's words", "[uv_settings]") {
  const TempDirectory links = dash::testing::make_temp_directory();
  const auto place = links.path().string();
  const auto settings = settings_of({{"PIP_INDEX_URL", "https://user:pw@index.example/simple"},
                                     {"PIP_EXTRA_INDEX_URL", "https://a.example https://b.example"},
                                     {"PIP_FIND_LINKS", place + " /no/such/directory https://links.example"},
                                     {"PIP_TRUSTED_HOST", "a.example\nb.example:8443"},
                                     {"PIP_PRE", "yes"},
                                     {"PIP_NO_DEPS", "0"},
                                     {"PIP_NO_INDEX", "true"},
                                     {"PIP_NO_BINARY", "lxml"},
                                     {"PIP_REQUIRE_HASHES", "on"},
                                     {"PIP_TIMEOUT", "9"},
                                     {"UV_HTTP_TIMEOUT", "7"}});
  CHECK(settings.environment == Map{{"UV_DEFAULT_INDEX", "https://user:pw@index.example/simple"},
                                    {"UV_FIND_LINKS", place + ",https://links.example"},
                                    {"UV_HTTP_TIMEOUT", "7"},
                                    {"UV_INDEX", "https://a.example https://b.example"},
                                    {"UV_INSECURE_HOST", "a.example b.example:8443"},
                                    {"UV_PRERELEASE", "allow"}});
  CHECK(shown(settings.mounts) == concat(place, " at ", place, "; "));
  CHECK(settings.trusted_hosts == Names{"a.example", "b.example:8443"});
  CHECK(settings.arguments == Names{"--no-index"});
  CHECK(settings.compile_arguments.empty());
  CHECK(settings.options == Names{"--no-binary lxml"});
  CHECK(settings.hashes_place == "PIP_REQUIRE_HASHES");
  CHECK(settings.warnings.empty());
}

TEST_CASE("options of the requirements and of the machine together", "[uv_settings]") {
  RequirementsFiles files;
  files.variables = {"PASS", "UNSET"};
  files.index.extra_index_urls = {"https://me:${PASS}@x.example/${UNSET}"};
  files.local = {{"my,links", FileKind::directory, LocalSource::Use::find_links, "requirements.txt:1"}};
  const Map machine = {{"PIP_INDEX_URL", "https://m.example"}, {"PIP_EXTRA_INDEX_URL", "https://e.example"}};
  const auto both = settings_of(machine, files, {{"PASS", "p"}});
  CHECK(both.environment == Map{{"UV_DEFAULT_INDEX", "https://m.example"},
                                {"UV_FIND_LINKS", "file:///app/my%2Clinks"},
                                {"UV_INDEX", "https://e.example https://me:p@x.example/${UNSET}"}});
  CHECK(shown(both.mounts) == "/src/app/my,links at /app/my,links; ");

  files.index = {};
  files.local.clear();
  files.index.index_url = "https://own.example";
  const auto replaced = settings_of(machine, files);
  CHECK(replaced.environment == Map{{"UV_DEFAULT_INDEX", "https://own.example"}});
  CHECK(replaced.warnings ==
        Names{"--index-url in the requirements replaces the package indexes that this machine "
              "is set to, as in pip"});
}

TEST_CASE("settings without an effect are told", "[uv_settings]") {
  const auto settings = settings_of({{"PIP_PLATFORM", "win32"},
                                     {"PIP_CACHE_DIR", "/c"},
                                     {"PIP_PREFER_BINARY", "1"},
                                     {"UV_PYTHON", "3.9"},
                                     {"UV_INDEX_STRATEGY", "unsafe-best-match"}});
  CHECK(settings.warnings == Names{"PIP_PLATFORM is set for this machine, but has no effect here",
                                   "PIP_PREFER_BINARY is set for this machine, but has no effect here",
                                   "UV_PYTHON is set for this machine, but has no effect here"});
  CHECK(settings.environment == Map{{"UV_INDEX_STRATEGY", "unsafe-best-match"}});
}

TEST_CASE("constraints of the machine", "[uv_settings]") {
  const TempDirectory home = dash::testing::make_temp_directory();
  const auto file = (home.path() / "c.txt").string();
  write_file_atomic(file, "# all apps\nnumpy<2\n");
  const auto settings = settings_of({{"PIP_CONSTRAINT", file}});
  REQUIRE(settings.constraints.size() == 1);
  CHECK(settings.constraints[0].text == "numpy<2");
  CHECK(settings.constraints[0].place == file + ":2");
  CHECK(error_of([&] {
          settings_of({{"PIP_CONSTRAINT", "/no/such/file"}});
        }) ==
        "invalid_input: PIP_CONSTRAINT names /no/such/file, which does not exist | add the file, or unset "
        "the variable "
        "(or the option in pip.conf)");
  CHECK(error_of([&] {
          settings_of({{"PIP_CONSTRAINT", "https://u:p@c.example/c.txt"}});
        }) ==
        "unsupported: PIP_CONSTRAINT names a URL: https://c.example/c.txt | download the file and name it by "
        "its path");
}

TEST_CASE("pip.conf", "[uv_settings]") {
  CHECK(parse_pip_configuration(
            "# c\r\n[global]\nindex-url = https://i.example/simple\n"
            "extra_index_url =\n    https://a.example\n    ; no\n\n    https://b.example\n"
            "[list]\nformat = columns\n[install]\nindex-url: https://over.example\n",
            "pip.conf") == Map{{"PIP_EXTRA_INDEX_URL", "\nhttps://a.example\nhttps://b.example"},
                               {"PIP_INDEX_URL", "https://over.example"}});
  CHECK(error_of([] { parse_pip_configuration("[global]\nindex-url\n", "/etc/pip.conf"); }) ==
        "invalid_input: /etc/pip.conf:2: the line is no option of a [section] | mend pip's configuration "
        "(\"pip config "
        "debug\" lists its files), or set PIP_CONFIG_FILE=/dev/null to do without");

  const TempDirectory home = dash::testing::make_temp_directory();
  make_directories(home.path() / ".config/pip");
  write_file_atomic(home.path() / ".config/pip/pip.conf",
                    "[global]\npre = 1\nindex-url = https://user.example\n");
  write_file_atomic(home.path() / "own.conf", "[global]\nindex-url = https://own.example\n");
  write_file_atomic(home.path() / "pip.conf", "[global]\nindex-url = https://site.example\n");
  Map variables = {{"HOME", home.path().string()}, {"XDG_CONFIG_DIRS", "/nonexistent"}};
  CHECK(read_pip_configuration(variables)["PIP_INDEX_URL"] == "https://user.example");
  variables["VIRTUAL_ENV"] = home.path().string();
  CHECK(read_pip_configuration(variables)["PIP_INDEX_URL"] == "https://site.example");
  variables["PIP_CONFIG_FILE"] = (home.path() / "own.conf").string();
  CHECK(read_pip_configuration(variables)["PIP_INDEX_URL"] == "https://own.example");
  CHECK(read_pip_configuration(variables)["PIP_PRE"] == "1");
  variables["PIP_CONFIG_FILE"] = "/dev/null";
  CHECK(read_pip_configuration(variables).empty());
}

TEST_CASE("percent-encoded texts", "[uv_settings]") {
  CHECK(percent_decoded("a%20b%2Fc%C3%a9") == "a b/c\xC3\xA9");
  CHECK(percent_decoded("100% %zz %4") == "100% %zz %4");
}

TEST_CASE("names that are nearly right", "[uv_settings]") {
  CHECK(advice_for_name("sklearn", {}) == "the package is called scikit-learn");
  CHECK(advice_for_name("pandsa", {}) == "did you mean pandas?");
  CHECK(advice_for_name("dash-bootstrap-component", {}) == "did you mean dash-bootstrap-components?");
  CHECK(advice_for_name("json", {}) == "json is part of Python: remove the line");
  CHECK(advice_for_name("our-thingz", {"our-things", "our-thingz"}) == "did you mean our-things?");
  CHECK(advice_for_name("something-else-entirely", {}).empty());
  CHECK(advice_for_name(std::string(5000, 'a'), {}).empty());
}
