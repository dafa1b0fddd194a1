#include "builder/python/environment_layer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/extract.hpp"
#include "tests/support/fake_sandbox.hpp"
#include "tests/support/host_settings.hpp"
#include "tests/support/no_fetcher.hpp"
#include "tests/support/recorded_events.hpp"
#include "tests/support/tools.hpp"
#include "tests/support/zip_fixture.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

using namespace dash;
using namespace dash::builder;
using dash::testing::ZipFixtureEntry;

namespace {

struct Fixture {
  TempDirectory home = dash::testing::make_temp_directory();
  HostSettings host = dash::testing::host_settings();
  Store store{home.path() / "store"};
  dash::testing::FakeSandbox sandbox{home.path()};
  dash::testing::NoFetcher fetcher;
  ThreadPool pool{2};
  dash::testing::RecordedEvents events;
  Workbench bench{store,         sandbox, fetcher, pool, events, host, oci::Compression::parse("zstd"),
                  Network::none, {}};
  InstallScheme scheme;

  Fixture() {
    scheme.interpreter.version = "3.11.2";
    scheme.interpreter.cache_tag = "cpython-311";
    scheme.interpreter.executable = "/usr/bin/python3.11";
    scheme.interpreter.magic = "a70d0d0a";
  }

  InstalledDistribution distribution(const std::string& name, std::vector<ZipFixtureEntry> files) {
    const std::string info = name + "-1.dist-info";
    files.push_back({.path = info + "/METADATA", .content = concat("Name: ", name, "\nVersion: 1\n")});
    files.push_back({.path = info + "/WHEEL", .content = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"});
    std::vector<RecordRow> record{{info + "/RECORD", "", ""}};
    for (const ZipFixtureEntry& file : files)
      record.push_back(
          {file.path, "sha256=" + to_base64url(sha256(file.content)), std::to_string(file.content.size())});
    files.push_back({.path = info + "/RECORD", .content = format_record(record)});
    const std::string bytes = dash::testing::zip_bytes(files);
    const fs::path path = store.packages() / to_hex(sha256(bytes)) / concat(name, "-1-py3-none-any.whl");
    make_directories(path.parent_path());
    write_file_atomic(path, bytes);
    return plan_installation(std::make_shared<const Wheel>(path), sha256(bytes), {scheme, {}, ""});
  }

  std::vector<Bytecode> compile(const std::vector<InstalledDistribution>& distributions) {
    BytecodeCompiler compiler(bench, "s", {}, scheme);
    for (const auto& distribution : distributions) compiler.add(distribution);
    return compiler.finish(distributions);
  }

  oci::Layer write(const std::vector<InstalledDistribution>& distributions,
                   const std::vector<Bytecode>& bytecode = {}) {
    return write_environment_layer(
        bench, {"python-packages", scheme, distributions, bytecode, EnvironmentLayer::Skeleton::yes});
  }

  fs::path extract(const oci::Layer& layer) {
    const fs::path root = home.path() / "root";
    make_directories(root);
    oci::extract_layer(*store.layout().open(layer.blob), root, "layer");
    return root / "app/.heroku/python";
  }
};

// Waits until the compiler has been given all its jobs; how many they are.
std::size_t read_jobs(const SandboxCommand& command) {
  std::array<char, 8> record{};
  std::size_t count = 0;
  while (::read(command.input_fd, record.data(), record.size()) == 8) ++count;
  return count;
}

// What the compiler in the sandbox answers: index, length, bytes.
std::string answer(std::uint32_t index, const std::string& pyc) {
  return dash::testing::little_endian(index, 4) + dash::testing::little_endian(pyc.size(), 4) + pyc;
}

}  // namespace

TEST_CASE("environment layer: a venv that belongs to the app user") {
  Fixture fixture;
  const oci::Layer layer =
      fixture.write({fixture.distribution("demo", {{.path = "demo.py", .content = "x = 1\n"}})});
  const fs::path root = fixture.extract(layer);
  CHECK(read_file(root / "pyvenv.cfg") ==
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\nexecutable = "
        "/usr/bin/python3.11\n");
  CHECK(fs::read_symlink(root / "bin/python") == "/usr/bin/python3.11");
  CHECK(fs::read_symlink(root / "bin/python3.11") == "python");
  CHECK(fs::read_symlink(root / "lib64") == "lib");
  CHECK(read_file(root / "lib/python3.11/site-packages/demo.py") == "x = 1\n");
  for (const fs::path& path :
       {root, root.parent_path(), root.parent_path().parent_path(), root / "bin/python"}) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    CHECK(status.st_uid == 32767);
    CHECK(status.st_gid == 32767);
  }
  CHECK(fixture.write({fixture.distribution("demo", {{.path = "demo.py", .content = "x = 1\n"}})}) == layer);
}

TEST_CASE("environment layer: of two packages with one file the later one wins, with a warning") {
  Fixture fixture;
  const oci::Layer layer =
      fixture.write({fixture.distribution("one", {{.path = "same.py", .content = "1"}}),
                     fixture.distribution("two", {{.path = "same.py", .content = "2"}})});
  CHECK(read_file(fixture.extract(layer) / "lib/python3.11/site-packages/same.py") == "2");
  CHECK(fixture.events.warnings() ==
        std::vector<std::string>{
            "/app/.heroku/python/lib/python3.11/site-packages/same.py of one 1 is replaced by the "
            "one of two 1"});
}

TEST_CASE("environment layer: a file where another package needs a directory") {
  Fixture fixture;
  CHECK_THROWS_WITH(fixture.write({fixture.distribution("one", {{.path = "x", .content = "1"}}),
                                   fixture.distribution("two", {{.path = "x/y.py", .content = "2"}})}),
                    "one 1 installs a file where another package needs a directory: "
                    "/app/.heroku/python/lib/python3.11/site-packages/x");
}

TEST_CASE("byte code: answers in any order and cut, kept for the next build") {
  Fixture fixture;
  const std::vector<InstalledDistribution> distributions{
      fixture.distribution("one", {{.path = "a.py", .content = "a"}, {.path = "b.py", .content = "("}}),
      fixture.distribution("two", {{.path = "c.py", .content = "c"}})};
  const std::string output = answer(2, "CCC") + answer(1, "") + answer(0, "A");
  std::size_t jobs = 0;
  fixture.sandbox.expect([&](const SandboxCommand& command, const fs::path&) {
    jobs = read_jobs(command);
    for (const char& byte : output) command.on_stdout_bytes({&byte, 1});
    return SandboxResult{};
  });
  for (int build = 0; build < 2; ++build) {
    const auto bytecode = fixture.compile(distributions);
    REQUIRE(bytecode.size() == 2);
    CHECK(as_text(*bytecode[0].find("a.py")) == "A");
    CHECK_FALSE(bytecode[0].find("b.py"));
    CHECK(as_text(*bytecode[1].find("c.py")) == "CCC");
    const fs::path site =
        fixture.extract(fixture.write(distributions, bytecode)) / "lib/python3.11/site-packages";
    CHECK(read_file(site / "__pycache__/c.cpython-311.pyc") == "CCC");
    CHECK_FALSE(fs::exists(site / "__pycache__/b.cpython-311.pyc"));
    CHECK(contains(read_file(site / "two-1.dist-info/RECORD"), "__pycache__/c.cpython-311.pyc,,\r\n"));
  }
  CHECK(fixture.sandbox.commands().size() == 1);
  CHECK(jobs == 3);
}

TEST_CASE("byte code: answers that make no sense") {
  Fixture fixture;
  const std::vector<InstalledDistribution> distributions{
      fixture.distribution("one", {{.path = "a.py", .content = "a"}})};
  auto message = [&](const std::string& output, int exit_code) {
    fixture.sandbox.expect([&](const SandboxCommand& command, const fs::path&) {
      read_jobs(command);
      command.on_stdout_bytes(output);
      SandboxResult result;
      result.exit_code = exit_code;
      return result;
    });
    try {
      fixture.compile(distributions);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  const std::string nonsense = "the byte code compiler gave an answer that makes no sense";
  CHECK(message(answer(1, "x"), 0) == nonsense);
  CHECK(message(answer(0, "x") + answer(0, "x"), 0) == nonsense);
}

TEST_CASE("byte code: a compiler that fails or leaves something out") {
  Fixture fixture;
  const std::vector<InstalledDistribution> distributions{
      fixture.distribution("one", {{.path = "a.py", .content = "a"}})};
  fixture.sandbox.expect_exit(0);
  CHECK_THROWS_WITH(fixture.compile(distributions), "the byte code compiler left modules out");
  fixture.sandbox.expect_exit(1, "Traceback");
  CHECK_THROWS_WITH(fixture.compile(distributions), "compiling Python modules failed (exit code 1)");
}
