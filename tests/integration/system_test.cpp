// Base image, system packages, predeploy and launcher with real tools. Needs root, network access to the
// host's Debian sources, mmdebstrap and an OCI runtime.
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/sandbox/oci_sandbox.hpp"
#include "builder/system/apt.hpp"
#include "builder/system/base_image.hpp"
#include "builder/system/launcher.hpp"
#include "builder/system/predeploy.hpp"
#include "tests/support/host_settings.hpp"
#include "tests/support/no_fetcher.hpp"
#include "tests/support/recorded_events.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

// A store of its own with everything a step needs.
struct Build {
  TempDirectory home{"/var/tmp"};
  HostSettings host = testing::host_settings();
  Store store{home.path()};
  Snapshots snapshots{store.snapshots(), store.layout()};
  OciSandbox sandbox{snapshots, store.work(), host};
  dash::testing::NoFetcher fetcher;
  ThreadPool pool{2};
  dash::testing::RecordedEvents events;
  Workbench bench{store, sandbox, fetcher, pool, events, host, {}, Network::host, {}};

  // Takes another store's layers.
  void copy_from(const Store& other, const std::vector<oci::Layer>& layers) {
    for (const auto& layer : layers) {
      const auto source = other.layout().open(layer.blob);
      const auto writer = store.layout().begin_write();
      copy(*source, *writer);
      writer->commit(layer.blob.digest);
    }
  }

  std::string output(const std::vector<oci::Layer>& layers, const std::string& script,
                     std::uint32_t uid = 0) {
    std::string text;
    SandboxCommand command;
    command.layers = layers;
    command.argv = {"bash", "-c", script};
    command.environment = {"PATH=/usr/local/bin:/usr/bin:/bin"};
    command.uid = command.gid = uid;
    command.on_stdout_bytes = [&](std::string_view bytes) { text += bytes; };
    const auto result = sandbox.run(command, {});
    INFO(result.tail);
    CHECK(result.exit_code == 0);
    return text;
  }
};

// The base image is made once for all tests of this file (and once more, to compare).
struct SharedBase {
  Build build;
  BaseImage image = bootstrap_base(build.bench);
};
SharedBase& shared_base() {
  static SharedBase base;
  return base;
}

// A build that has the base's layers.
struct OnBase : Build {
  std::vector<oci::Layer> base = shared_base().image.layers;
  AppDirectory app{home.path()};  // of no matter: nothing comes from it
  OnBase() { copy_from(shared_base().build.store, base); }
};

AptFiles packages(const std::vector<std::string>& names) {
  AptFiles files;
  for (const auto& name : names) files.packages.push_back({files.packages.size() + 1, name});
  return files;
}

}  // namespace

TEST_CASE("the default base image") {
  auto& shared = shared_base();
  const auto& layers = shared.image.layers;
  REQUIRE(layers.size() == 1);
  WARN("base image: " << human_size(layers[0].blob.size) << " compressed");
  CHECK(layers[0].blob.size < 60'000'000);

  auto& build = shared.build;
  CHECK(
      build.output(layers,
                   "python3 -c 'import ssl, sqlite3, ctypes, zoneinfo; zoneinfo.ZoneInfo(\"Europe/Berlin\"); "
                   "print(\"ok\")'") == "ok\n");
  CHECK(build.output(layers, "getent passwd herokuishuser") ==
        "herokuishuser:*:32767:32767::/app:/bin/bash\n");
  CHECK(build.output(layers, "stat -c '%u:%g %a' /app / /tmp") == "32767:32767 755\n0:0 755\n0:0 1777\n");
  // Nothing of the host, nothing that changes from day to day, nothing that isn't needed.
  CHECK(build.output(
            layers,
            "ls /var/lib/apt/lists /var/log /usr/local/share/ca-certificates /var/cache/apt "
            "/etc/machine-id /etc/resolv.conf /usr/share/man /usr/share/locale 2>/dev/null | "
            "grep -v -e : -e '^$' -e '^apt$' -e '^partial$' -e '^archives$' -e locale.alias || true") ==
        "/etc/resolv.conf\n");
  CHECK(build.output(layers, "grep -r -i -l -e proxy -e check-valid /etc/apt/apt.conf.d || true") == "");
  CHECK(build.output(layers, "command -v gcc pip perldoc || true") == "");
  // Bytecode does not depend on times, so that it is valid and constant: the flags say "checked hash".
  CHECK(build.output(layers,
                     "python3 -c \"print(open('/usr/lib/python3.11/__pycache__/ast.cpython-311.pyc', "
                     "'rb').read()[4])\"") == "3\n");

  SECTION("is the same when it is made again in another store") {
    Build other;
    CHECK(bootstrap_base(other.bench).layers == layers);
  }
}

TEST_CASE("system packages become layers that are the same in every store") {
  std::vector<std::vector<oci::Layer>> made;
  for (int i = 0; i < 2; ++i) {
    OnBase build;
    made.push_back(
        install_system_packages(build.bench, build.base, build.app, packages({"libpq-dev"}), {"apt"}));
    auto layers = build.base;
    layers.insert(layers.end(), made.back().begin(), made.back().end());
    CHECK(contains(build.output(layers, "pg_config --version"), "PostgreSQL"));
    CHECK(build.output(layers, "find /var/lib/apt/lists /var/log/apt ! -type d") == "");
    CHECK(contains(build.events.log(), "Setting up libpq-dev"));
  }
  CHECK(made[0] == made[1]);
}

TEST_CASE("one system package more leaves the layers of the others as they are") {
  OnBase build;
  const auto install = [&](const std::vector<std::string>& names, Reuse reuse) {
    SystemInstallation installation{"apt"};
    installation.reuse = reuse;
    return install_system_packages(build.bench, build.base, build.app, packages(names), installation);
  };
  const auto before = install({"libpq-dev", "python3-yaml"}, Reuse::yes);
  const auto after = install({"libpq-dev", "python3-yaml", "zip"}, Reuse::yes);
  CHECK(install({"libpq-dev", "python3-yaml", "zip"}, Reuse::no) == after);

  std::uint64_t sent = 0, all = 0;
  for (const auto& layer : after) {
    all += layer.blob.size;
    if (std::find(before.begin(), before.end(), layer) == before.end()) sent += layer.blob.size;
  }
  WARN(after.size() << " layers of " << human_size(all) << ", with one package more " << human_size(sent)
                    << " of them new, the last " << human_size(after.back().blob.size));
  // zip itself, the light packages that share its layer, and the last layer.
  CHECK(sent < 300'000 + after.back().blob.size);
  CHECK(after.back().blob.size < 600'000);

  auto layers = build.base;
  layers.insert(layers.end(), after.begin(), after.end());
  // dpkg finds every file of every package as it was packed, but those that images do without.
  CHECK(build.output(layers, "dpkg --verify | grep -v -e /usr/share/ -e ' c /etc/' || true") == "");
  CHECK(build.output(layers,
                     "zip -h | head -1; python3 -c 'import yaml; print(yaml.__name__)'; /sbin/ldconfig -p | "
                     "grep -c libpq") != "");
}

TEST_CASE("the apt files are applied") {
  OnBase build;
  auto input = packages({"hello", "tree"});
  input.conf = "APT::Install-Suggests \"false\";\n";
  input.env = "export FROM_APT_ENV=yes\n";
  input.preferences = "Package: tree\nPin: release *\nPin-Priority: -1\n";
  input.debconf = {{1, "tzdata tzdata/Areas select Etc"}};
  SECTION("preferences can forbid a package") {
    try {
      install_system_packages(build.bench, build.base, build.app, input, {"apt"});
      FAIL("tree was installed");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::invalid_input);
      CHECK(error.message() == "apt-packages:2: no package source has 'tree'");
    }
  }
  SECTION("configuration and preferences stay in the image, the rest does not") {
    input.packages.pop_back();
    auto layers = build.base;
    for (auto& layer : install_system_packages(build.bench, build.base, build.app, input, {"apt"}))
      layers.push_back(std::move(layer));
    CHECK(build.output(layers,
                       "hello -g hi; cat /etc/apt/apt.conf.d/99dokku-apt; ls /etc/apt/preferences.d; "
                       "grep -r FROM_APT_ENV /etc || true") ==
          "hi\nAPT::Install-Suggests \"false\";\n90customizations\n");
  }
  SECTION("apt-sources-list replaces the sources during the installation only") {
    input = packages({"hello"});
    input.sources_list = "# none\n";
    CHECK_THROWS_WITH(install_system_packages(build.bench, build.base, build.app, input, {"apt"}),
                      "apt-packages:1: no package source has 'hello'");
  }
}

TEST_CASE("an unknown package is named with its line") {
  OnBase build;
  try {
    install_system_packages(build.bench, build.base, build.app, packages({"hello", "no-such-package=1.0"}),
                            {"apt"});
    FAIL("it was installed");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK(error.message() == "apt-packages:2: no package source has 'no-such-package'");
    CHECK(contains(error.output(), "E: Unable to locate package"));
    CHECK_FALSE(error.hint().empty());
  }
}

TEST_CASE("a toolchain is installed once and never part of a layer") {
  OnBase build;
  const std::vector<std::string> tools = {"gcc", "libc6-dev"};
  const auto tree = install_toolchain(build.bench, build.snapshots, build.base, tools, "python");
  SandboxCommand command;
  command.layers = build.base;
  command.extra_layers = {tree};
  command.argv = {"bash", "-c",
                  "echo 'int main(void) { return 7; }' >/tmp/a.c; gcc -o /tmp/a /tmp/a.c; /tmp/a"};
  CHECK(build.sandbox.run(command, {}).exit_code == 7);
  const auto lines = build.events.log().size();
  CHECK(install_toolchain(build.bench, build.snapshots, build.base, tools, "python") == tree);
  CHECK(build.events.log().size() == lines);
}

TEST_CASE("predeploy") {
  OnBase build;
  auto layers = build.base;
  layers.push_back(make_launcher_layer(build.bench, layers));
  const std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "GREETING=hello"};
  auto run = [&](const std::string& script) {
    return run_predeploy(build.bench, layers, script, environment, "predeploy");
  };

  SECTION("keeps what it writes anywhere, gives /app to the app") {
    layers.push_back(
        run("echo $GREETING $HOME $PWD >/etc/made; mkdir data && touch data/x; echo 1.2.3.4 db >>/etc/hosts; "
            "echo live; sleep 3600 & touch /tmp/t"));
    CHECK(build.output(
              layers,
              "cat /etc/made; stat -c %u:%g /app/data /app/data/x; ls /tmp; grep -c db /etc/hosts || true") ==
          "hello /app /app\n32767:32767\n32767:32767\n0\n");
    CHECK(contains(build.events.log(), "live\n"));
  }
  SECTION("a failure says what failed, with its output") {
    try {
      run("echo about to fail; false; echo not reached");
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::step_failed);
      CHECK(error.message() ==
            "the predeploy script 'echo about to fail; false; echo not reached' failed with exit code 1");
      CHECK(error.output() == "about to fail\n");
    }
  }
  SECTION("a file that isn't executable") {
    try {
      run("/etc/passwd --now");
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::invalid_input);
      CHECK(error.message() == "app.json: the predeploy script '/etc/passwd' is not executable");
    }
  }
}
