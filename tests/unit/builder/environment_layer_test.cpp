#include "builder/python/environment_layer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/python/compile_wheel.hpp"
#include "oci/extract.hpp"
#include "tests/support/test_bench.hpp"
#include "tests/support/zip_fixture.hpp"

#include <map>
#include <mutex>

#include <catch2/catch.hpp>
#include <sys/stat.h>

using namespace dash;
using namespace dash::builder;
using dash::testing::ZipFixtureEntry;

namespace {

struct Fixture : dash::testing::TestBench {
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
    BytecodeCompiler compiler(bench, "s", compiler_settings(bench, {}, scheme));
    for (const auto& distribution : distributions) compiler.add(compile_request(distribution, scheme));
    compiler.close();
    std::vector<Bytecode> out;
    for (const auto& distribution : distributions)
      out.push_back(compiler.get(bytecode_key(distribution, scheme)));
    compiler.finish();
    return out;
  }

  // A layer for each group of distributions.
  std::vector<oci::Layer> write(const std::vector<PackageGroup>& groups,
                                const BytecodeSource& bytecode = {}) {
    std::mutex mutex;
    std::map<std::size_t, oci::Layer> layers;
    write_package_layers(bench, scheme, groups, bytecode, [&](std::size_t group, const oci::Layer& layer) {
      const std::scoped_lock guard(mutex);
      layers.emplace(group, layer);
    });
    std::vector<oci::Layer> out;
    for (auto& [group, layer] : layers) out.push_back(layer);
    return out;
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
  const auto demo = fixture.distribution("demo", {{.path = "demo.py", .content = "x = 1\n"}});
  const oci::Layer environment = write_environment_layer(fixture.bench, fixture.scheme);
  const auto layers = fixture.write({{&demo}});
  REQUIRE(layers.size() == 1);
  fixture.extract(environment);
  const fs::path root = fixture.extract(layers[0]);
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
  const std::string prefix = "app/.heroku/python/";
  CHECK(environment_files(fixture.scheme) ==
        std::vector<std::string>{prefix + "bin/python", prefix + "bin/python3", prefix + "bin/python3.11",
                                 prefix + "lib64", prefix + "pyvenv.cfg"});
}

TEST_CASE("package layers: bytes depend on the group alone, order on the position") {
  Fixture fixture;
  std::vector<InstalledDistribution> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(fixture.distribution(concat("p", i), {{.path = concat("p", i, ".py"), .content = "x"}}));
  std::vector<PackageGroup> groups;
  for (const auto& distribution : all) groups.push_back({&distribution});
  const auto layers = fixture.write(groups);
  REQUIRE(layers.size() == 20);
  for (std::size_t i = 0; i < groups.size(); ++i) CHECK(fixture.write({groups[i]}).front() == layers[i]);
}

TEST_CASE("package layers: of two packages with one file the later one wins") {
  Fixture fixture;
  const auto one = fixture.distribution("one", {{.path = "same.py", .content = "1"}});
  const auto two = fixture.distribution("two", {{.path = "same.py", .content = "2"}});
  const auto layers = fixture.write({{&one, &two}});
  CHECK(read_file(fixture.extract(layers[0]) / "lib/python3.11/site-packages/same.py") == "2");
}

TEST_CASE("package layers: a wheel that is damaged stops all") {
  Fixture fixture;
  const auto good = fixture.distribution("good", {{.path = "good.py", .content = "1"}});
  const auto bad = fixture.distribution("bad", {{.path = "bad.py", .content = "2", .crc_change = 1}});
  CHECK_THROWS_WITH(fixture.write({{&good}, {&bad}, {&good}}), Catch::Contains("bad-1-py3-none-any.whl"));
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
    const fs::path site = fixture.extract(fixture
                                              .write({{&distributions[0], &distributions[1]}},
                                                     [&](const InstalledDistribution& distribution) {
                                                       return bytecode[distribution.name == "one" ? 0 : 1];
                                                     })
                                              .front()) /
                          "lib/python3.11/site-packages";
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
