#include "builder/system/apt.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/system/apt_script.hpp"
#include "builder/system/change_filter.hpp"
#include "tests/support/fake_sandbox.hpp"
#include "tests/support/host_settings.hpp"
#include "tests/support/no_fetcher.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::FakeSandbox;

namespace {

struct Build {
  TempDirectory home{"/tmp"};
  HostSettings host = testing::host_settings();
  Store store{home.path()};
  FakeSandbox sandbox{store.work()};
  dash::testing::NoFetcher fetcher;
  ThreadPool pool{1};
  NullEvents events;
  Workbench bench{store, sandbox, fetcher, pool, events, host, {}, Network::host, {}};
  AptFiles input;
  std::string names, versions;  // what apt has

  // What the failing script tells: its stage, exit code and output.
  Error failure(const std::string& stage, std::string output, int exit_code = 100) {
    sandbox.expect([=, this](const SandboxCommand& command, const fs::path&) {
      for (const auto& mount : command.mounts)
        if (mount.target == kAptReportDirectory) {
          write_file_atomic(mount.source / "stage", stage);
          write_file_atomic(mount.source / "names", names);
          write_file_atomic(mount.source / "versions", versions);
        }
      SandboxResult result;
      result.exit_code = exit_code;
      result.tail = output;
      return result;
    });
    try {
      install_system_packages(bench, {}, AppDirectory(home.path()), input, {"apt"});
    } catch (const Error& error) {
      return error;
    }
    return {ErrorCode::internal, "no error"};
  }
};

}  // namespace

TEST_CASE("failures of the apt script name the file and line to look at") {
  Build build;
  build.input.packages = {{1, "curl"}, {4, "libfoo=1.2"}};
  build.input.keys = {{2, "http://a.example/key"}, {5, "http://b.example/key"}};

  SECTION("an unknown package") {
    const auto error = build.failure("apt-packages", "E: Unable to locate package libfoo\n");
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK(error.message() == "apt-packages:4: no package source has 'libfoo'");
    CHECK(error.output() == "E: Unable to locate package libfoo\n");
  }
  SECTION("a misspelt package") {
    build.names = "libfo\nlibof\nlibfoo2\nlofibo\ncurl\n";
    const auto error = build.failure("apt-packages", "E: Unable to locate package libofo\n");
    CHECK(error.message() == "apt-packages: no package source has 'libofo'");
    CHECK(error.hint() ==
          "did you mean 'libfo' or 'libof'? Packages of other vendors need their source in apt-repositories "
          "and "
          "its key in apt-keys");
  }
  SECTION("a version that is not there") {
    build.versions =
        "libfoo | 1.3-1 | http://a.example x\nlibfoo | 1.3-1 | http://b.example x\nlibfoo | 1.1 | c\n";
    const auto error = build.failure("apt-packages", "E: Version '1.2' for 'libfoo' was not found\n");
    CHECK(error.message() == "apt-packages:4: no package source has version '1.2' of libfoo");
    CHECK(error.hint() == "there is 1.3-1, 1.1; write libfoo without a version for the newest");
  }
  SECTION("a source without a known key") {
    const auto error = build.failure(
        "package-lists",
        "W: GPG error: NO_PUBKEY 1\nE: The repository 'http://a.example x InRelease' is not signed.\n");
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK(error.message() ==
          "the package source 'http://a.example x InRelease' is not signed by a known key");
    CHECK(error.hint() == "add the URL of the key that signs it to apt-keys");
  }
  SECTION("a source that is not there") {
    const auto error =
        build.failure("package-lists",
                      "E: Failed to fetch http://a.example/x/Release  404  Not Found\nE: The "
                      "repository 'http://a.example x Release' does not have a Release file.\n");
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK(error.message() == "there is no package source 'http://a.example x Release'");
    CHECK(error.hint() == "check URL and suite in apt-repositories and apt-sources-list");
  }
  SECTION("a password that is refused") {
    const auto error =
        build.failure("package-lists", "E: Failed to fetch http://a.example/x  401  Unauthorized\n");
    CHECK(error.code() == ErrorCode::denied);
    CHECK(error.message() == "a package source refuses user name and password (package-lists)");
  }
  SECTION("dependencies that can't be met") {
    const auto error =
        build.failure("dpkg-packages",
                      "The following packages have unmet dependencies:\n a : Depends: b (>= 2) but it "
                      "is not installable\n     PreDepends: c but it is not going to be installed\n");
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK(error.message() == "dpkg-packages: a needs b (>= 2), a needs c, which can't be installed");
  }
  SECTION("a key") {
    const auto error = build.failure("apt-keys 2", "E: 404\n");
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK(error.message() == "apt-keys:5: this line failed with exit code 100");
  }
  SECTION("an archive that can't be reached") {
    const auto error = build.failure(
        "apt-packages", "W: Failed to fetch http://a.example\nE: Unable to locate package curl\n");
    CHECK(error.code() == ErrorCode::unavailable);
    CHECK(error.message() == "a package source could not be reached (apt-packages)");
  }
  SECTION("a package script") {
    const auto error = build.failure("apt-packages", "dpkg: error processing package x\n");
    CHECK(error.code() == ErrorCode::step_failed);
    CHECK(error.message() == "installing system packages failed (apt-packages), exit code 100");
  }
  SECTION("offline") {
    build.bench.network = Network::none;
    CHECK(build.failure("apt-packages", "E: Unable to locate package curl\n").code() ==
          ErrorCode::unavailable);
    CHECK(build.sandbox.commands()[0].network == Network::none);
  }
}

TEST_CASE("apt's words for what it does not have") {
  CHECK(unknown_packages(
            "Reading...\nE: Unable to locate package foo\nE: Package 'bar' has no installation candidate\n"
            "E: Version '9' for 'baz' was not found\nE: Couldn't find any package by glob 'q*'\n"
            "E: Couldn't find any package by regex 'q*'\nW: Unable to locate package no\n") ==
        std::vector<std::string>{"foo", "bar", "baz", "q*"});
  CHECK(unknown_packages("E: dpkg was interrupted").empty());
}

TEST_CASE("the files of the apt script") {
  TempDirectory directory("/tmp");
  write_file_atomic(directory.path() / "b.deb", "B");
  write_file_atomic(directory.path() / "a.deb", "A");
  const auto in = directory.path() / "in";
  make_directories(in);
  AptFiles input;
  input.packages = {{1, "a b"}, {2, "$(x)"}};
  input.sources_list = "";
  input.debs = {"b.deb", "a.deb"};
  write_apt_files(in, input, directory.path(), {"Acquire::Retries \"3\";"}, Recommends::leave_out);
  CHECK(read_file(in / "apt-packages") == "a b\n$(x)\n");
  CHECK(read_file(in / "apt-sources-list").empty());
  CHECK_FALSE(fs::exists(in / "apt-keys"));
  CHECK(read_file(in / "debs/000000/b.deb") == "B");
  CHECK(read_file(in / "debs/000001/a.deb") == "A");
  const auto conf = read_file(in / "apt.conf");
  CHECK(contains(conf, "Acquire::Retries \"3\";\nAPT::Install-Recommends \"false\";\n"));
  CHECK(contains(conf, "Dir::Etc::sourcelist \"/run/dash-build/apt/apt-sources-list\";\n"));
}

TEST_CASE("passwords in URLs are where only the installation sees them") {
  TempDirectory directory("/tmp");
  AptFiles input;
  input.conf = "Acquire::http::Proxy \"http://me:secret@proxy.example:8080/\";\n";
  input.keys = {{1, "https://keys.example/key.asc"}, {2, "https://me:k%40y@keys.example/b.asc"}};
  input.repositories = {{1, "deb [arch=amd64] https://token@apt.example:8443/a/ x main"}};
  input.sources_list = "# deb http://u:p@h\ndeb http://u:p:q@h/debian x\n";
  write_apt_files(directory.path(), input, {}, {}, Recommends::install);
  const auto read = [&](const char* name) { return read_file(directory.path() / name); };
  CHECK(read("apt-keys") == "https://keys.example/key.asc\nhttps://keys.example/b.asc\n");
  CHECK(read("apt-repositories") == "deb [arch=amd64] https://apt.example:8443/a/ x main\n");
  CHECK(read("apt-sources-list") == "# deb http://h\ndeb http://h/debian x\n");
  CHECK(read("auth.conf") ==
        "machine https://apt.example:8443/a/\nlogin token\n"
        "machine https://keys.example/b.asc\nlogin me\npassword k@y\n"
        "machine http://h\nlogin u\npassword p\n"
        "machine http://h/debian\nlogin u\npassword p:q\n");
  CHECK(contains(read("apt.conf"), "Dir::Etc::netrc \"/run/dash-build/apt/auth.conf\";\n"));
  CHECK(read("apt-conf") == *input.conf);
  CHECK(read("apt-conf.kept") == "Acquire::http::Proxy \"http://proxy.example:8080/\";\n");
  input.keys = {{1, "https://me:two%20words@keys.example/b.asc"}};
  CHECK_THROWS_WITH(write_apt_files(directory.path(), input, {}, {}, Recommends::install),
                    "a user name or password in an apt URL holds a blank");
}

TEST_CASE("a toolchain is kept under its layers and packages") {
  Build build;
  Snapshots snapshots(build.store.snapshots(), build.store.layout());
  build.sandbox.expect([](const SandboxCommand&, const fs::path& changes) {
    write_file_atomic(changes / "gcc", "");
    return SandboxResult{};
  });
  const auto tree = install_toolchain(build.bench, snapshots, {}, {"gcc"}, "python");
  CHECK(fs::exists(tree / "gcc"));
  CHECK(install_toolchain(build.bench, snapshots, {}, {"gcc"}, "python") == tree);
  CHECK_THROWS_WITH(install_toolchain(build.bench, snapshots, {}, {"g++"}, "python"),
                    Catch::Contains("the test expected no command"));
}

TEST_CASE("what no image should carry") {
  for (const auto* noise :
       {"var/lib/apt/lists/x_Packages", "var/cache/apt/pkgcache.bin", "var/log/dpkg.log",
        "var/lib/dpkg/status-old", "etc/passwd-", "var/cache/debconf/config.dat-old", "tmp/x"})
    CHECK(is_system_noise(noise));
  for (const auto* content : {"var/lib/apt/lists", "var/lib/dpkg/status", "var/log/app.log", "tmp",
                              "etc/passwd", "opt/data-old", "app/tmp/x", "etc/apt/sources.list"})
    CHECK_FALSE(is_system_noise(content));
}
