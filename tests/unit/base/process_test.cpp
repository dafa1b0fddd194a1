#include "base/process.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/support/tools.hpp"

#include <chrono>
#include <csignal>
#include <stop_token>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

using namespace dash;
using Catch::Matchers::Contains;
using dash::testing::tool_environment;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

ProcessOptions script(const std::string& text) {
  ProcessOptions options;
  options.argv = {"sh", "-c", text};
  options.environment = tool_environment();
  return options;
}

struct Lines {
  std::vector<std::string> out, err;
  ProcessResult result;
};
Lines run_lines(ProcessOptions options) {
  Lines lines;
  options.on_stdout = [&](std::string_view line) { lines.out.emplace_back(line); };
  options.on_stderr = [&](std::string_view line) { lines.err.emplace_back(line); };
  lines.result = run_process(options, {});
  return lines;
}

// True when no process of that id is left.
bool is_gone(const std::string& pid) {
  for (int i = 0; i < 100; ++i) {
    if (::kill(static_cast<pid_t>(std::stol(pid)), 0) != 0) return true;
    // A killed orphan may wait for its new parent to notice.
    const auto status = read_file_if_exists("/proc/" + pid + "/stat");
    if (!status || status->find(") Z ") != std::string::npos) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("exit codes and signals") {
  CHECK(run_process(script("exit 0"), {}).ok());
  CHECK(run_process(script("exit 7"), {}).exit_code == 7);
  const auto killed = run_process(script("kill -9 $$"), {});
  CHECK(killed.signal == SIGKILL);
  CHECK(killed.exit_code == 137);
}

TEST_CASE("output comes as lines, in order, per stream") {
  const auto lines = run_lines(script("printf 'a\\nb\\r\\n\\nlast'; echo oops >&2"));
  CHECK(lines.out == std::vector<std::string>{"a", "b", "", "last"});
  CHECK(lines.err == std::vector<std::string>{"oops"});
  CHECK_THAT(lines.result.tail, Contains("last") && Contains("oops"));

  const auto pieces = run_lines(script("head -c 200000 /dev/zero | tr '\\0' x; echo; echo end"));
  std::size_t size = 0;
  for (std::size_t i = 0; i + 1 < pieces.out.size(); ++i) {
    CHECK(pieces.out[i].size() <= 2 * 64 * 1024);
    size += pieces.out[i].size();
  }
  CHECK(size == 200000);
  CHECK(pieces.out.back() == "end");
}

TEST_CASE("large output is complete, its tail is bounded") {
  auto options = script("head -c 50000000 /dev/zero; echo done >&2");
  std::size_t size = 0;
  options.on_stdout_bytes = [&](std::string_view bytes) { size += bytes.size(); };
  run_process(options, {});
  CHECK(size == 50000000);
  const auto result = run_process(script("seq 100000"), {});
  CHECK(result.tail.size() <= 8192);
  CHECK(result.tail.ends_with("99999\n100000\n"));
}

TEST_CASE("input reaches the program, however much, and its end too") {
  CHECK(dash::testing::run_tool({"cat"}, "hello") == "hello");
  const std::string large(5'000'000, 'y');
  CHECK(dash::testing::run_tool({"cat"}, large) == large);
  CHECK(dash::testing::run_tool({"cat"}).empty());
  // A program that does not read it must not end this one by SIGPIPE.
  auto options = script("exec <&-; sleep 0.1; exit 3");
  options.input = large;
  CHECK(run_process(options, {}).exit_code == 3);
  sigset_t pending;
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("environment, directory, program and signal dispositions are exactly what is asked for") {
  ProcessOptions options;
  options.argv = {"env"};
  options.environment = {"TWO=2", "PATH=/usr/bin:/bin", "ONE=1"};
  CHECK(run_lines(options).out == options.environment);
  options.argv = {"pwd"};
  options.directory = "/usr";
  CHECK(run_lines(options).out == std::vector<std::string>{"/usr"});

  ProcessOptions missing;
  missing.argv = {"no-such-program"};
  CHECK_THROWS_WITH(run_process(missing, {}), "the program 'no-such-program' is not installed");
  missing.argv = {"/etc/passwd"};
  CHECK_THROWS_WITH(run_process(missing, {}), "the program '/etc/passwd' is not installed");
  const TempDirectory base("/tmp");
  write_file_atomic(base.path() / "bad", "#!/no/such/interpreter\n", 0755);
  missing.argv = {(base.path() / "bad").string()};
  CHECK_THROWS_WITH(run_process(missing, {}), "cannot start " + (base.path() / "bad").string() +
                                                  " (execute): No such file or directory");
  options.directory = "/no/such/directory";
  CHECK_THROWS_WITH(run_process(options, {}), Contains("(enter the directory): No such file or directory"));

  ::signal(SIGPIPE, SIG_IGN);
  const auto status = dash::testing::run_tool({"grep", "SigIgn", "/proc/self/status"});
  ::signal(SIGPIPE, SIG_DFL);
  CHECK((std::stoull(status.substr(status.find_last_of(" \t") + 1), nullptr, 16) & (1ULL << (SIGPIPE - 1))) ==
        0);
}

TEST_CASE("descriptors are inherited only when asked for") {
  const TempDirectory base("/tmp");
  const auto file = open_file(base.path() / "f", O_RDWR | O_CREAT);
  const auto number = std::to_string(file.get());
  CHECK(run_process(script("echo x >&" + number), {}).exit_code != 0);
  auto options = script("echo x >&" + number);
  options.inherit = {file.get()};
  CHECK(run_process(options, {}).ok());
  CHECK(read_file(base.path() / "f") == "x\n");
  CHECK(dash::testing::run_tool({"ls", "/proc/self/fd"}) == "0\n1\n2\n3\n");
}

TEST_CASE("stopping ends the whole group within a second") {
  // One that obeys, one that ignores SIGTERM, and one whose grandchild left the group with the pipes open.
  const std::string text =
      GENERATE("echo $$; sleep 60 & echo $!; wait", "trap '' TERM; echo $$; sleep 60; sleep 60",
               "echo $$; setsid sleep 3 & sleep 60", "echo $$; while :; do echo flood; done");
  auto options = script(text);
  std::stop_source stop;
  std::vector<std::string> pids;
  Clock::time_point asked;
  options.on_stdout = [&](std::string_view line) {
    if (line == "flood") return;
    pids.emplace_back(line);
    if (stop.request_stop()) asked = Clock::now();
  };
  CHECK_THROWS_WITH(run_process(options, stop.get_token()), "stopped while sh was running");
  CHECK(Clock::now() - asked < milliseconds(1000));
  REQUIRE_FALSE(pids.empty());
  for (const auto& pid : pids) CHECK(is_gone(pid));
}

TEST_CASE("a callback that throws ends the program, and its exception comes out") {
  auto options = script(GENERATE("echo go; sleep 60", "echo go; setsid sleep 3 & sleep 60"));
  options.on_stdout = [](std::string_view) { throw Error(ErrorCode::no_space, "full"); };
  const auto start = Clock::now();
  CHECK_THROWS_WITH(run_process(options, {}), "full");
  CHECK(Clock::now() - start < milliseconds(1500));
}

TEST_CASE("a failure of a checked command has the command and its last output") {
  try {
    run_checked(script("echo reason >&2; exit 4"), {});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::step_failed);
    CHECK(error.message() == "'sh -c 'echo reason >&2; exit 4'' failed with exit code 4");
    CHECK(error.output() == "reason\n");
  }
}

TEST_CASE("programs are found in a search path") {
  CHECK(find_program("sh", "/nowhere:/bin")->string() == "/bin/sh");
  CHECK_FALSE(find_program("sh", "/nowhere"));
  CHECK_FALSE(find_program("etc", "/"));  // a directory
  CHECK(find_program("/bin/sh", "")->string() == "/bin/sh");
}
