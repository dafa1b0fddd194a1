// Native installation of a channel of real and odd conda packages; py-rattler is the judge.
#include "base/error.hpp"
#include "builder/conda/conda_packages.hpp"
#include "oci/extract.hpp"
#include "tests/support/conda_fixture.hpp"
#include "tests/support/file_fetcher.hpp"
#include "tests/support/host_usr_sandbox.hpp"
#include "tests/support/installed_tree.hpp"
#include "tests/support/published_wheels.hpp"
#include "tests/support/recorded_events.hpp"

#include <chrono>
#include <cstdio>

#include <catch2/catch.hpp>
#include <sys/stat.h>

using namespace dash;
using namespace dash::builder;

namespace {

constexpr const char* kPrefix = "app/.heroku/miniconda";

const std::string& channel_program() {
  static const std::string kPath = concat(DASH_TESTS, "/support/conda_channel.py");
  return kPath;
}

std::string run_channel_program(std::vector<std::string> arguments) {
  ProcessOptions options;
  options.argv = {"python3", channel_program()};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = dash::testing::environment_of_pip();
  try {
    return run_checked(std::move(options), {});
  } catch (const Error& error) {
    throw std::runtime_error(render(error));
  }
}

// The channel with what py-rattler installed of it; made once for each version of the program that makes it.
fs::path channel() {
  const fs::path wheels = dash::testing::published_wheels();
  const fs::path directory =
      dash::testing::scratch_directory() /
      concat("conda-", to_hex(sha256(read_file(channel_program()) + wheels.string())).substr(0, 12));
  if (fs::exists(directory / "complete")) return directory;
  remove_tree(directory);
  run_channel_program({"make", directory.string(), wheels.string(), "click", "docutils", "flask", "greenlet",
                       "gunicorn", "jinja2", "markupsafe", "numpy", "pyyaml", "six", "werkzeug"});
  write_file_atomic(directory / "complete", "");
  return directory;
}

struct Installer {
  TempDirectory home = dash::testing::make_temp_directory();
  HostSettings host = dash::testing::host_settings();
  Store store{home.path() / "store"};
  dash::testing::HostUsrSandbox sandbox{home.path(), store.layout(), host};
  dash::testing::FileFetcher fetcher;
  ThreadPool pool{2};
  dash::testing::RecordedEvents events;
  Workbench bench{store,         sandbox, fetcher, pool, events, host, oci::Compression::parse("zstd"),
                  Network::none, {}};

  InstalledCondaPackages install(const ExplicitLock& lock, Reuse reuse = Reuse::yes) {
    CondaInstallation request;
    request.step = "conda-packages";
    request.reuse = reuse;
    return install_conda_packages(bench, lock, request);
  }

  fs::path extract(const InstalledCondaPackages& installed, const std::string& name) {
    const fs::path root = home.path() / name;
    make_directories(root);
    for (const auto& layer : installed.layers)
      oci::extract_layer(*store.layout().open(layer.blob), root, name);
    return root / kPrefix;
  }
};

bool is_entry_point(const dash::testing::InstalledNode& node) {
  return contains(node.content, "\n# -*- coding: utf-8 -*-\nimport ") && contains(node.content, "sys.exit(");
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

TEST_CASE("a channel is installed as py-rattler does it", "[conda]") {
  const fs::path directory = channel();
  const ExplicitLock lock = parse_explicit_lock(read_file(directory / "lock.txt"), "lock.txt");
  REQUIRE(lock.packages.size() == 19);
  Installer installer;
  const auto start = std::chrono::steady_clock::now();
  const InstalledCondaPackages installed = installer.install(lock);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  CHECK(installer.events.warnings() ==
        std::vector<std::string>{"/app/.heroku/miniconda/share/clobber.txt of clobber-a 1.0 is replaced by "
                                 "the one of clobber-b 1.0"});
  const fs::path prefix = installer.extract(installed, "ours");

  // Records are compared below. py-rattler keeps losers of clashes, and has another mode and text for
  // scripts.
  auto theirs = dash::testing::read_installed_tree(directory / "expected", {});
  auto ours = dash::testing::read_installed_tree(prefix, {});
  const auto is_left_out = [](const std::string& path) {
    return path == "CACHEDIR.TAG" || path.starts_with("conda-meta/") || path.starts_with("__clobbers__");
  };
  std::erase_if(theirs, [&](const auto& node) { return is_left_out(node.first); });
  std::size_t scripts = 0;
  std::size_t compiled = 0;
  std::erase_if(ours, [&](const auto& node) {
    const auto& [path, found] = node;
    if (is_left_out(path)) return true;
    const auto expected = theirs.find(path);
    if (expected == theirs.end()) {
      // py-rattler compiles nothing.
      const bool is_bytecode = path.ends_with(".pyc") || path.ends_with("/__pycache__");
      compiled += is_bytecode ? 1 : 0;
      return is_bytecode;
    }
    if (!path.starts_with("bin/") || !is_entry_point(expected->second)) return false;
    CHECK(is_entry_point(found));
    CHECK(first_line(found.content) == first_line(expected->second.content));
    CHECK((found.mode & 07777U) == 0755);
    theirs.erase(expected);
    ++scripts;
    return true;
  });
  CHECK(scripts >= 2);
  CHECK(compiled > 500);
  CHECK(ours.size() > 2000);
  dash::testing::check_same_installation(ours, theirs, "py-rattler");
  std::printf("%s%zu paths, installed in %.1f s in %zu layers\n",
              run_channel_program({"records", prefix.string(), (directory / "expected").string(),
                                   dash::testing::scratch_directory().string()})
                  .c_str(),
              ours.size(), seconds.count(), installed.layers.size());

  // Again, and without what is known, to the same layers.
  CHECK(installer.install(lock).layers == installed.layers);
  CHECK(installer.install(lock, Reuse::no).layers == installed.layers);

  SandboxCommand command;
  command.layers = installed.layers;
  command.argv = {concat("/", kPrefix, "/bin/python"), "-c",
                  "import os, sys, click, yaml, greenlet, markupsafe._speedups\n"
                  "print(sys.prefix, os.path.exists(click.__cached__))"};
  // Debian's Python looks for packages elsewhere.
  command.environment = {"PATH=/usr/bin:/bin",
                         concat("PYTHONPATH=/", kPrefix, "/lib/python3.11/site-packages")};
  const auto result = installer.sandbox.run(command, {});
  INFO(result.tail);
  CHECK(result.exit_code == 0);
  CHECK(contains(result.tail, concat("/", kPrefix, " True")));
}

TEST_CASE("post-link scripts of conda packages run in the sandbox", "[conda]") {
  Installer installer;
  ExplicitLock lock;
  const auto add = [&](const std::string& name, const std::string& script) {
    dash::testing::CondaFixture fixture;
    fixture.index = concat(R"({"name": ")", name,
                           R"(", "version": "1.5", "build": "h_7", "build_number": 7, "depends": []})");
    fixture.content.add({.name = concat("bin/.", name, "-post-link.sh"), .content = script, .mode = 0755});
    const fs::path path = installer.home.path() / concat(name, "-1.5-h_7.conda");
    write_file(path, fixture.conda());
    lock.packages.push_back({"file://" + path.string(), {}, ""});
  };
  SECTION("and what they change is a layer of the app user's") {
    add("one",
        "echo \"$PREFIX $PKG_NAME $PKG_VERSION $PKG_BUILDNUM\" >\"$PREFIX/made\"; echo hello "
        ">\"$PREFIX/.messages.txt\"");
    const auto installed = installer.install(lock);
    REQUIRE(installed.layers.size() == 2);
    const fs::path prefix = installer.extract(installed, "root");
    CHECK(read_file(prefix / "made") == "/app/.heroku/miniconda one 1.5 7\n");
    CHECK_FALSE(fs::exists(prefix / ".messages.txt"));
    CHECK(contains(installer.events.log(), "hello\n"));
    struct stat status {};
    REQUIRE(::stat((prefix / "made").c_str(), &status) == 0);
    CHECK(status.st_uid == 32767);
  }
  SECTION("and a failing one is named") {
    add("broken", "echo reason >&2; exit 7");
    try {
      installer.install(lock);
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::step_failed);
      CHECK(error.message() == "the post-link script of broken failed with exit code 7");
      CHECK(contains(error.output(), "reason"));
    }
  }
}
