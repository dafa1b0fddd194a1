#include "builder/conda/conda_packages.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "builder/collect_garbage.hpp"
#include "builder/layer_annotations.hpp"
#include "oci/extract.hpp"
#include "tests/support/conda_fixture.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/memory_fetcher.hpp"
#include "tests/support/test_bench.hpp"

#include <array>
#include <map>

#include <boost/filesystem/directory.hpp>
#include <catch2/catch.hpp>
#include <unistd.h>

using namespace dash;
using namespace dash::builder;
using dash::testing::CondaFixture;

namespace {

std::string md5(const std::string& bytes) {
  MemorySource source(bytes);
  return checksum_hex("md5", source);
}

struct Channel {
  dash::testing::MemoryFetcher fetcher;

  // Adds a package to the lock, and the channel.
  void add(ExplicitLock& lock, const std::string& name, const std::string& version, CondaFixture fixture,
           const std::string& depends = "") {
    fixture.index = concat(R"({"name": ")", name, R"(", "version": ")", version,
                           R"(", "build": "h_0", "build_number": 0, "depends": [)", depends, "]}");
    const std::string bytes = fixture.conda();
    CondaPackageUrl package;
    package.url = concat("https://channel.example/main/linux-64/", name, '-', version, "-h_0.conda");
    package.digests.sha256 = sha256(bytes);
    fetcher.files[package.url] = bytes;
    lock.packages.push_back(std::move(package));
  }

  static CondaFixture files(const std::map<std::string, std::string>& files) {
    CondaFixture out;
    for (const auto& [path, content] : files) out.content.file(path, content);
    return out;
  }
};

struct Machine : dash::testing::TestBench {
  explicit Machine(Channel& used) : TestBench(used.fetcher), channel(used) {}

  InstalledCondaPackages install(const ExplicitLock& lock, CondaInstallation request = {}) {
    channel.fetcher.fetched.clear();
    request.step = "conda-packages";
    return install_conda_packages(bench, lock, request);
  }

  // The prefix as an image with these layers has it.
  fs::path extract(const InstalledCondaPackages& installed, const std::string& name) {
    return TestBench::extract(installed.layers, name) / "app/.heroku/miniconda";
  }

  Channel& channel;
};

std::vector<std::string> files_of(const fs::path& directory) {
  std::vector<std::string> out;
  for (fs::recursive_directory_iterator it(directory), end; it != end; ++it)
    if (!fs::is_directory(it->symlink_status()))
      out.push_back(it->path().lexically_relative(directory).string());
  std::ranges::sort(out);
  return out;
}

}  // namespace

TEST_CASE("conda packages: installed in layers, fetched once, reused") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "zlib", "1.2", Channel::files({{"lib/libz.so", std::string(300'000, 'z')}}));
  channel.add(lock, "tool", "1.0", Channel::files({{"bin/tool", "1.0"}}), R"("zlib >=1")");
  Machine machine(channel);
  CondaInstallation request;
  request.files = {{"conda-meta/history", "==> then <==\n"}, {".condarc", "offline: true\n"}};
  const auto first = machine.install(lock, request);
  CHECK(channel.fetcher.fetched.size() == 2);
  CHECK(first.packages.size() == 2);
  CHECK(first.python_version.empty());
  REQUIRE(first.layers.size() == 2);
  CHECK(first.layers[1].blob.annotations.at(kPackagesAnnotation) == "tool 1.0, zlib 1.2");
  const fs::path prefix = machine.extract(first, "first");
  CHECK(files_of(prefix) == std::vector<std::string>{".condarc", "bin/tool", "conda-meta/history",
                                                     "conda-meta/tool-1.0-h_0.json",
                                                     "conda-meta/zlib-1.2-h_0.json", "lib/libz.so"});
  CHECK(contains(read_file(prefix / "conda-meta/tool-1.0-h_0.json"),
                 md5(channel.fetcher.files.at(lock.packages[1].url))));

  CHECK(machine.install(lock, request).layers == first.layers);
  CHECK(channel.fetcher.fetched.empty());
  collect_garbage(machine.store, {}, {});

  // Neither another store nor writing all again changes them.
  request.reuse = Reuse::no;
  CHECK(machine.install(lock, request).layers == first.layers);
  CHECK(channel.fetcher.fetched.empty());
  Machine other(channel);
  CHECK(other.install(lock, request).layers == first.layers);
}

TEST_CASE("conda packages: one changed package is fetched and written, no other") {
  Channel channel;
  const auto lock_with = [&](const std::string& version) {
    ExplicitLock lock;
    channel.add(
        lock, "heavy", "1",
        Channel::files({{"lib/heavy", dash::testing::run_tool({"head", "-c", "400000", "/dev/urandom"})}}));
    channel.add(lock, "light", version, Channel::files({{"lib/light", version}}));
    return lock;
  };
  Machine machine(channel);
  ExplicitLock lock = lock_with("1");
  const auto first = machine.install(lock);
  channel.add(lock, "other", "1", Channel::files({{"lib/other", "x"}}));
  lock.packages.erase(lock.packages.begin() + 1);
  const auto second = machine.install(lock);
  CHECK(channel.fetcher.fetched == std::vector<std::string>{"other-1-h_0.conda"});
  REQUIRE(second.layers.size() == 2);
  CHECK(second.layers[0] == first.layers[0]);
  CHECK_FALSE(fs::exists(machine.extract(second, "second") / "lib/light"));
}

TEST_CASE("conda packages: MD5 alone is enough, and known the next time") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "old", "1", Channel::files({{"old", "x"}}));
  lock.packages[0].digests = {std::nullopt, md5(channel.fetcher.files.at(lock.packages[0].url))};
  Machine machine(channel);
  const auto first = machine.install(lock);
  CHECK(channel.fetcher.fetched.size() == 1);
  CHECK(machine.install(lock).layers == first.layers);
  CHECK(channel.fetcher.fetched.empty());
  lock.packages[0].digests.md5.clear();  // what nothing is known of must be got again
  CHECK(machine.install(lock).layers == first.layers);
  CHECK(channel.fetcher.fetched.size() == 1);
}

TEST_CASE("conda packages: of several with one file the last in conda's order wins, and it is said") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "b-base", "1", Channel::files({{"share/x", "base"}, {"share/same", "s"}}));
  channel.add(lock, "a-needs", "1", Channel::files({{"share/x", "needs"}, {"share/same", "s"}}),
              R"("b-base")");
  Machine machine(channel);
  const auto installed = machine.install(lock);
  CHECK(machine.events.warnings() ==
        std::vector<std::string>{
            "/app/.heroku/miniconda/share/x of b-base 1 is replaced by the one of a-needs 1"});
  CHECK(read_file(machine.extract(installed, "root") / "share/x") == "needs");
}

TEST_CASE("conda packages: what is damaged leaves nothing in the store") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "good", "1", Channel::files({{"good", "x"}}));
  channel.add(lock, "bad", "1", Channel::files({{"bad", "x"}}));
  Machine machine(channel);
  std::string& bytes = channel.fetcher.files.at(lock.packages[1].url);
  SECTION("another file than the lock says") {
    bytes += "x";
    CHECK(contains(dash::testing::brief_error_of([&] { machine.install(lock); }),
                   "corrupt: bad-1-h_0.conda has another sha256 than expected"));
  }
  SECTION("a file that is none") {
    bytes = "no package";
    lock.packages[1].digests.sha256 = sha256(bytes);
    CHECK(contains(dash::testing::brief_error_of([&] { machine.install(lock); }),
                   "corrupt: bad-1-h_0.conda is not a usable zip archive"));
  }
  for (const std::string& file : files_of(machine.store.packages())) CHECK_FALSE(contains(file, "bad-1"));
  CHECK(files_of(machine.store.work()).empty());
  CHECK_FALSE(fs::exists(machine.store.records() / "layers"));
}

TEST_CASE("conda packages: offline without the package") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "a", "1", Channel::files({{"a", "x"}}));
  Machine machine(channel);
  machine.bench.network = Network::none;
  CHECK(dash::testing::brief_error_of([&] { machine.install(lock); }) ==
        "unavailable: a-1-h_0.conda is not in the store, and the build is offline");
  CondaInstallation request;
  channel.fetcher.files["file:///mirror/a"] = channel.fetcher.files.at(lock.packages[0].url);
  request.map_url = [](const std::string&) { return "file:///mirror/a"; };
  CHECK(machine.install(lock, request).layers.size() == 1);
}

TEST_CASE("conda packages: Python's modules are compiled by its own interpreter") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "python", "3.7.1", Channel::files({{"bin/python3.7", "ELF"}}), R"("libz", "pip")");
  channel.add(lock, "libz", "1", Channel::files({{"lib/libz.so", "z"}}));
  channel.add(lock, "pip", "1", Channel::files({{"lib/python3.7/site-packages/pip.py", "p"}}), R"("python")");
  Machine machine(channel);
  std::vector<std::string> unpacked;
  machine.sandbox.expect([&](const SandboxCommand& command, const fs::path&) {
    CHECK(command.argv.front() == "/app/.heroku/miniconda/bin/python3.7");
    unpacked = files_of(command.extra_layers.at(0));
    std::array<char, 8> job{};
    CHECK(::read(command.input_fd, job.data(), job.size()) == 8);
    command.on_stdout_bytes(dash::testing::little_endian(0, 4) + dash::testing::little_endian(3, 4) + "pyc");
    return SandboxResult{};
  });
  const auto installed = machine.install(lock);
  CHECK(installed.python_version == "3.7.1");
  CHECK(unpacked ==
        std::vector<std::string>{"app/.heroku/miniconda/bin/python3.7", "app/.heroku/miniconda/lib/libz.so"});
  const fs::path prefix = machine.extract(installed, "root");
  CHECK(read_file(prefix / "lib/python3.7/site-packages/__pycache__/pip.cpython-37.pyc") == "pyc");
  CHECK(contains(read_file(prefix / "conda-meta/pip-1-h_0.json"), "__pycache__/pip.cpython-37.pyc"));
  CHECK(machine.install(lock).layers == installed.layers);
  CHECK(machine.sandbox.commands().size() == 1);

  CondaInstallation request;
  request.pyc_files = PycFiles::omit;
  CHECK_FALSE(fs::exists(machine.extract(machine.install(lock, request), "plain") /
                         "lib/python3.7/site-packages/__pycache__"));
}

TEST_CASE("conda packages: post-link scripts run over all of it, and their change is the last layer") {
  Channel channel;
  ExplicitLock lock;
  channel.add(lock, "b", "1", Channel::files({{"bin/.b-post-link.sh", "echo b"}}));
  channel.add(lock, "a", "1", Channel::files({{"bin/.a-post-link.sh", "echo a"}}), R"("b")");
  Machine machine(channel);
  const auto runs = [&](const SandboxCommand& command, const fs::path& changes) {
    const std::string& script = command.argv.back();
    const auto b = script.find("run b 1 /app/.heroku/miniconda/bin/.b-post-link.sh");
    const auto a = script.find("run a 1 /app/.heroku/miniconda/bin/.a-post-link.sh");
    CHECK(b != std::string::npos);
    CHECK(a != std::string::npos);
    CHECK(b < a);
    CHECK(command.layers.size() == 1);
    CHECK(command.secrets == SandboxCommand::Secrets::hidden);
    make_directories(changes / "app/.heroku/miniconda");
    write_file(changes / "app/.heroku/miniconda/made", "by the script");
    return SandboxResult{};
  };
  machine.sandbox.expect(runs);
  const auto installed = machine.install(lock);
  CHECK(installed.layers.size() == 2);
  CHECK(read_file(machine.extract(installed, "root") / "made") == "by the script");
  CHECK(machine.install(lock).layers == installed.layers);
  CHECK(machine.sandbox.commands().size() == 1);

  CondaInstallation again;
  again.reuse = Reuse::no;
  machine.sandbox.expect_exit(1,
                              "something\ndash-build: the post-link script of b failed with exit code 7\n");
  CHECK(dash::testing::brief_error_of([&] { machine.install(lock, again); }) ==
        "step_failed: the post-link script of b failed with exit code 7");
}
