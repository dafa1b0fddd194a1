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

  // What the failing script tells: its stage, exit code and output.
  Error failure(const std::string& stage, std::string output, int exit_code = 100) {
    sandbox.expect([=](const SandboxCommand& command, const fs::path&) {
      for (const auto& mount : command.mounts)
        if (mount.target == kAptReportDirectory) write_file_atomic(mount.source / "stage", stage);
      SandboxResult result;
      result.exit_code = exit_code;
      result.tail = output;
      return result;
    });
    try {
      install_system_packages(bench, {}, AppDirectory(home.path()), input, "apt");
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
