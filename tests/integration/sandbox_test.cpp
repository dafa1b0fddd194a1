// The sandbox with a real runtime. Needs root, crun (or runc) and overlayfs: without them it fails, as it
// must.
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/sandbox/oci_sandbox.hpp"
#include "tests/support/host_settings.hpp"
#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include <boost/filesystem/directory.hpp>
#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace dash;
using namespace dash::builder;
using namespace std::chrono_literals;

namespace {

// A root file system that borrows the host's programs: /usr is mounted into it.
class Root {
 public:
  explicit Root(const fs::path& parent) : path_(parent / "root") {
    for (const auto* directory : {"etc", "gone"}) make_directories(path_ / directory);
    for (const auto* name : {"bin", "sbin", "lib", "lib64"})
      fs::create_symlink(fs::path("usr") / name, path_ / name);
    write_file_atomic(path_ / "gone" / "file", "lower");
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string sandbox_directory() {
  return "/var/tmp";
}

struct Bench {
  TempDirectory home{sandbox_directory()};
  dash::testing::MemoryStore blobs;
  Root root{home.path()};
  HostSettings host = testing::host_settings();
  Snapshots snapshots{home.path() / "snapshots", blobs};
  OciSandbox sandbox;

  explicit Bench(fs::path runtime = {})
      : sandbox(snapshots, home.path() / "work", host, std::move(runtime)) {}

  SandboxCommand shell(std::string script) const {
    SandboxCommand command;
    command.extra_layers = {root.path()};
    command.argv = {"sh", "-c", std::move(script)};
    command.environment = {"PATH=/usr/bin"};
    command.mounts = {{"/usr", "/usr", SandboxMount::Access::read_only}};
    return command;
  }
  std::string output(SandboxCommand command) {
    std::string text;
    command.on_stdout_bytes = [&](std::string_view bytes) { text += bytes; };
    const auto result = sandbox.run(command, {});
    INFO(result.tail);
    CHECK(result.exit_code == 0);
    return text;
  }
};

// Paths of everything below a directory, sorted.
std::vector<std::string> tree(const fs::path& directory) {
  std::vector<std::string> out;
  for (fs::recursive_directory_iterator entry(directory), end; entry != end; ++entry)
    out.push_back(fs::relative(entry->path(), directory).string());
  std::sort(out.begin(), out.end());
  return out;
}

std::string mounts() {
  return read_file("/proc/self/mountinfo");
}

// Command lines of all processes of the host.
bool any_process_with(std::string_view word) {
  for (fs::directory_iterator entry("/proc"), end; entry != end; ++entry) {
    if (!parse_uint(entry->path().filename().string())) continue;
    try {
      if (contains(read_file(entry->path() / "cmdline"), word)) return true;
    } catch (const Error&) {  // it ended meanwhile
    }
  }
  return false;
}

}  // namespace

TEST_CASE("a command's output, exit code and input come through") {
  Bench bench;
  CHECK(bench.output(bench.shell("echo hello; id -u; umask")) == "hello\n0\n0022\n");
  CHECK(bench.sandbox.run(bench.shell("exit 42"), {}).exit_code == 42);
  auto reads = bench.shell("cat");
  reads.input = std::string(300'000, 'x');
  CHECK(bench.output(reads) == reads.input);

  auto both = bench.shell("echo out; echo err >&2");
  std::vector<std::string> lines;
  both.on_output = [&](std::string_view line) { lines.emplace_back(line); };
  bench.sandbox.run(both, {});
  std::sort(lines.begin(), lines.end());
  CHECK(lines == std::vector<std::string>{"err", "out"});

  auto missing = bench.shell("");
  missing.argv = {"no-such-program"};
  CHECK(bench.sandbox.run(missing, {}).exit_code == 127);
}

TEST_CASE("the change holds what the command did and nothing of the sandbox") {
  const auto* runtime = GENERATE("/usr/bin/crun", "/usr/sbin/runc");
  INFO(runtime);
  Bench bench(runtime);
  auto command = bench.shell(
      "mkdir -p /opt/x; echo new > /opt/x/file; rm -r /gone; touch /tmp/t /run/dash-build/u /dev/shm/v "
      "/secret/w; "
      "echo '10.0.0.1 db' >> /etc/hosts; echo >> /etc/resolv.conf; echo >> /etc/hostname; mkdir /etc/conf.d");
  command.changes = Changes::keep;
  TempDirectory mounted(bench.home.path());
  command.mounts.push_back({mounted.path(), "/secret", SandboxMount::Access::read_write});
  const auto result = bench.sandbox.run(command, {});
  INFO(result.tail);
  REQUIRE(result.exit_code == 0);
  CHECK(tree(result.changes) ==
        std::vector<std::string>{"etc", "etc/conf.d", "gone", "opt", "opt/x", "opt/x/file"});
  struct stat whiteout {};
  REQUIRE(::lstat((result.changes / "gone").c_str(), &whiteout) == 0);
  CHECK((S_ISCHR(whiteout.st_mode) && whiteout.st_rdev == 0));
  CHECK(fs::exists(mounted.path() / "w"));
  CHECK(tree(bench.root.path() / "gone") == std::vector<std::string>{"file"});

  SECTION("and can be a layer of the next command") {
    auto next = bench.shell("cat /opt/x/file; ls -d /gone || true");
    next.extra_layers.push_back(result.changes);
    CHECK(bench.output(next) == "new\n");
  }
}

TEST_CASE("a kept change goes away with its result") {
  Bench bench;
  fs::path changes;
  {
    auto command = bench.shell("echo x > /x");
    command.changes = Changes::keep;
    changes = bench.sandbox.run(command, {}).changes;
  }
  CHECK_FALSE(fs::exists(changes));
  CHECK(tree(bench.home.path() / "work").empty());
}

TEST_CASE("hosts, resolver and network follow the network setting") {
  Bench bench;
  auto none =
      bench.shell("cat /etc/resolv.conf; ls /sys/class/net; cat /sys/class/net/lo/flags /etc/hostname");
  CHECK(bench.output(none) == "lo\n0x9\ndash-build\n");  // 0x9: a loopback interface that is up
  auto host = bench.shell("cat /etc/resolv.conf");
  host.network = Network::host;
  CHECK(bench.output(host) == read_file("/etc/resolv.conf"));
}

TEST_CASE("certificates and proxies of the host are visible, own settings win") {
  Bench bench;
  write_file_atomic(bench.home.path() / "ca.pem", "CERTIFICATES\n");
  bench.host.ca_bundle = bench.home.path() / "ca.pem";
  bench.host.proxies = {{"https_proxy", "http://proxy.example:3128"}};
  auto command = bench.shell("cat $SSL_CERT_FILE; echo $PIP_CERT $https_proxy");
  command.environment.emplace_back("PIP_CERT=/mine");
  command.network = Network::host;
  CHECK(bench.output(command) == "CERTIFICATES\n/mine http://proxy.example:3128\n");
  command.network = Network::none;
  CHECK(bench.output(command) == "CERTIFICATES\n/mine\n");
}

TEST_CASE("secrets are for commands that ask for them, in memory, and no part of the change") {
  Bench bench;
  bench.host.secrets = {{"token", "hunter2"}, {"empty", ""}};
  CHECK(bench.output(bench.shell("ls /run")) == "dash-build\n");

  auto sees = bench.shell(
      "cat /run/secrets/token; ls -ln /run/secrets | cut -c1-15; stat -f -c %T /run/secrets; "
      "(echo x > /run/secrets/token) 2>/dev/null || echo read-only; touch /made");
  sees.secrets = SandboxCommand::Secrets::visible;
  sees.changes = Changes::keep;
  std::string text;
  sees.on_stdout_bytes = [&](std::string_view bytes) { text += bytes; };
  const auto result = bench.sandbox.run(sees, {});
  CHECK(text == "hunter2total 4\n-r-------- 1 0 \n-r-------- 1 0 \ntmpfs\nread-only\n");
  CHECK(tree(result.changes) == std::vector<std::string>{"made"});

  auto other = bench.shell("cat /run/secrets/token");
  other.secrets = SandboxCommand::Secrets::visible;
  other.uid = 1000;
  CHECK(bench.sandbox.run(other, {}).exit_code != 0);
}

TEST_CASE("the command is confined") {
  Bench bench;
  const auto refused = GENERATE(as<std::string>(), "mount -t tmpfs none /opt", "mknod /disk b 254 0",
                                "echo 1 > /proc/sys/kernel/hostname", "echo b > /proc/sysrq-trigger",
                                "unshare -U true", "touch /sys/x", "test -n \"$(head -c 1 /proc/kcore)\"",
                                "chroot / chroot / mknod /dev/disk b 254 0");
  INFO(refused);
  CHECK(bench.output(bench.shell("mkdir -p /opt; if " + refused +
                                 "; then echo done; else echo refused; fi")) == "refused\n");
}

TEST_CASE("capabilities and identity are as asked for") {
  Bench bench;
  auto command = bench.shell("id -u; id -g; cat /proc/self/status > /dev/stderr");
  command.uid = command.gid = 32767;
  std::string status;
  command.on_output = [&](std::string_view line) { status += concat(line, '\n'); };
  CHECK(bench.sandbox.run(command, {}).exit_code == 0);
  CHECK(contains(status, "32767\n32767\n"));
  CHECK(contains(status, "CapEff:\t0000000000000000"));
  CHECK(contains(status, "NoNewPrivs:\t1"));
}

TEST_CASE("a process left behind neither holds the build up nor lives on") {
  Bench bench;
  const auto start = std::chrono::steady_clock::now();
  auto command = bench.shell("setsid sleep 98765 & sleep 98765 & echo done");
  CHECK(bench.sandbox.run(command, {}).exit_code == 0);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK_FALSE(any_process_with("98765"));
}

TEST_CASE("a stop request ends everything within a second") {
  Bench bench;
  std::stop_source source;
  std::chrono::steady_clock::time_point asked;
  std::jthread canceler([&] {
    std::this_thread::sleep_for(700ms);
    asked = std::chrono::steady_clock::now();
    source.request_stop();
  });
  auto command = bench.shell("setsid sleep 87654 & sleep 87654");
  try {
    bench.sandbox.run(command, source.get_token());
    FAIL("it was not stopped");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::canceled);
  }
  CHECK(std::chrono::steady_clock::now() - asked < 1s);
  CHECK_FALSE(any_process_with("87654"));
  CHECK(tree(bench.home.path() / "work").empty());
}

TEST_CASE("many layers can be stacked, and commands run at the same time") {
  Bench bench;
  std::vector<fs::path> layers = {bench.root.path()};
  for (int i = 0; i < 120; ++i) {
    const auto layer =
        bench.home.path() / concat("a-layer-with-a-rather-long-name-to-fill-the-page-of-options-", i);
    make_directories(layer);
    write_file_atomic(layer / concat("f", i), "");
    layers.push_back(layer);
  }
  std::vector<std::string> outputs(4);
  {
    std::vector<std::jthread> threads;
    for (auto& output : outputs)
      threads.emplace_back([&] {
        auto command = bench.shell("ls -d /f* | wc -l");
        command.extra_layers = layers;
        command.on_stdout_bytes = [&output](std::string_view bytes) { output += bytes; };
        bench.sandbox.run(command, {});
      });
  }
  for (const auto& output : outputs) CHECK(output == "120\n");
}

// The program may be killed at any moment. A child plays the program here.
TEST_CASE("after SIGKILL nothing runs, nothing is mounted, nothing is in /run") {
  const auto* runtime = GENERATE("/usr/bin/crun", "/usr/sbin/runc");
  INFO(runtime);
  Bench bench(runtime);
  const auto mounts_before = mounts();
  const auto run_before = tree("/run");
  std::minstd_rand random(std::random_device{}());
  for (int round = 0; round < 12; ++round) {
    const auto delay = std::chrono::milliseconds(std::uniform_int_distribution<int>(0, 250)(random));
    INFO("killed after " << delay.count() << " ms");
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        bench.sandbox.run(bench.shell("setsid sleep 76543 & sleep 76543"), {});
      } catch (...) {
      }
      ::_exit(1);
    }
    std::this_thread::sleep_for(delay);
    REQUIRE(::kill(child, SIGKILL) == 0);
    ::waitpid(child, nullptr, 0);
    bool clean = false;
    for (int i = 0; i < 100 && !clean; ++i) {  // the kernel ends the namespaces in its own time
      clean = !any_process_with("76543") && !any_process_with(bench.home.path().string());
      if (!clean) std::this_thread::sleep_for(10ms);
    }
    CHECK(clean);
  }
  CHECK(mounts() == mounts_before);
  CHECK(tree("/run") == run_before);
  CHECK(bench.output(bench.shell("echo works")) == "works\n");
}
