#include "builder/python/provided_packages.hpp"

#include "base/text.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/test_bench.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::brief_error_of;
using dash::testing::TestBench;

namespace {

constexpr const char* kSite = "app/.heroku/miniconda/lib/python3.11/site-packages";

// Dash, six and a package of an egg-info, as the interpreter lists them.
ProvidedPackages provided_by(TestBench& test) {
  test.sandbox.expect([](const SandboxCommand& command, const fs::path&) {
    command.on_stdout_bytes(
        R"([["Dash", "2.0", "/dash.dist-info", ["Requires-Dist: six"]], ["old.egg", "1", "/old.egg-info", []],
            ["../x", "1", "/x.dist-info", []], ["six", "1.15.0", "/six.dist-info", []]])");
    return SandboxResult{};
  });
  return {test.bench, {}, {}, "python-packages"};
}

Lock lock_of(const std::string& text) {
  return Lock::parse(concat("lock-version = \"1.0\"\n\n", text), "/");
}

std::string package(const std::string& name, const std::string& version) {
  return concat("[[packages]]\nname = \"", name, "\"\nversion = \"", version,
                "\"\nwheels = [{ url = \"https://files.example/", name, "-", version,
                "-py3-none-any.whl\", hashes = { sha256 = \"", std::string(64, 'a'), "\" } }]\n\n");
}

}  // namespace

TEST_CASE("what conda provides is offered to the resolver") {
  TestBench test;
  const auto provided = provided_by(test);
  ResolveRequest request;
  provided.offer(request);
  REQUIRE(request.installed.size() == 3);
  CHECK(request.installed[0].name == "dash");
  CHECK(request.installed[1].name == "old-egg");
  CHECK(request.installed[2].version == "1.15.0");
  CHECK(fs::is_directory(request.installed_wheels));
  for (const auto* wheel : {"dash-2.0", "old_egg-1", "six-1.15.0"})
    CHECK(fs::exists(request.installed_wheels / concat(wheel, "-py3-none-any.whl")));
}

TEST_CASE("what conda provides is taken out of a lock") {
  TestBench test;
  const auto provided = provided_by(test);
  auto lock = lock_of(package("dash", "2.0.0") + package("six", "1.16.0") + "[tool.x]\nname = \"dash\"\n");
  provided.remove_from(lock);
  REQUIRE(lock.packages.size() == 1);
  CHECK(lock.packages[0].name == "six");
  CHECK(lock.text ==
        concat("lock-version = \"1.0\"\n\n", package("six", "1.16.0"), "[tool.x]\nname = \"dash\"\n"));
}

TEST_CASE("what pip replaces is hidden") {
  TestBench test;
  const auto provided = provided_by(test);
  CHECK_FALSE(provided.hide(test.bench, lock_of(package("flask", "3.0"))));  // and nobody is asked for files
  test.sandbox.expect([](const SandboxCommand& command, const fs::path&) {
    CHECK(command.argv.back() == "/six.dist-info");
    command.on_stdout_bytes(concat(R"([[")", kSite, R"(/six.py", ")", kSite, R"(/six-1.15.0.dist-info"]])"));
    return SandboxResult{};
  });
  const auto layer = provided.hide(test.bench, lock_of(package("flask", "3.0") + package("six", "1.16.0")));
  REQUIRE(layer);
  const auto root = test.home.path() / "root";
  make_directories(root / kSite / "six-1.15.0.dist-info");
  write_file(root / kSite / "six-1.15.0.dist-info/METADATA", "");
  write_file(root / kSite / "six.py", "");
  write_file(root / kSite / "other.py", "");
  test.extract({*layer}, "root");
  CHECK_FALSE(fs::exists(root / kSite / "six.py"));
  CHECK_FALSE(fs::exists(root / kSite / "six-1.15.0.dist-info"));
  CHECK(fs::exists(root / kSite / "other.py"));

  test.sandbox.expect([](const SandboxCommand& command, const fs::path&) {
    command.on_stdout_bytes("[[]]");
    return SandboxResult{};
  });
  CHECK(brief_error_of([&] { provided.hide(test.bench, lock_of(package("old-egg", "2"))); }) ==
        "unsupported: requirements.txt needs another old-egg than conda's 1, which has no list of its files "
        "and cannot be uninstalled");
}

TEST_CASE("an interpreter that cannot list its packages") {
  TestBench test;
  test.sandbox.expect_exit(1, "SyntaxError");
  CHECK(brief_error_of([&] { ProvidedPackages(test.bench, {}, {}, "python-packages"); }) ==
        "step_failed: listing the Python packages that conda installed failed with exit code 1");
}
