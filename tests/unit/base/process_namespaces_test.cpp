#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

#include <chrono>
#include <thread>

#include <catch2/catch.hpp>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace dash;
using namespace std::chrono_literals;

namespace {

ProcessOptions shell(std::string script) {
  ProcessOptions options;
  options.argv = {"sh", "-c", std::move(script)};
  options.environment = {"PATH=/usr/bin:/bin"};
  return options;
}

bool runs(const std::string& word) {
  return run_process(shell("grep -l -a -s '" + word.substr(0, 1) + "[" + word.substr(1, 1) + "]" +
                           word.substr(2) + "' /proc/[0-9]*/cmdline"),
                     {})
      .ok();
}

}  // namespace

TEST_CASE("prepare runs before the program, and its failure is told") {
  auto options = shell("umask");
  options.prepare = []() -> const char* {
    ::umask(0123);
    return nullptr;
  };
  CHECK(run_checked(options, {}) == "0123\n");

  options.prepare = []() -> const char* {
    errno = ENODEV;
    return "mount something";
  };
  try {
    run_process(options, {});
    FAIL("it was started");
  } catch (const StartError& error) {
    CHECK(error.step() == "mount something");
    CHECK(error.error_number() == ENODEV);
    CHECK(contains(error.message(), "(mount something): No such device"));
  }
}

TEST_CASE("a process namespace ends with its first process") {
  auto options = shell("echo $$; setsid sleep 54321 & setsid sleep 54321 & sleep 0.1");
  options.namespaces = CLONE_NEWPID;
  CHECK(run_checked(options, {}) == "1\n");
  CHECK_FALSE(runs("54321"));
}

TEST_CASE("a process namespace ends with the program that made it") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto options = shell("setsid sleep 43219 & sleep 43219");
    options.namespaces = CLONE_NEWPID;
    try {
      run_process(options, {});
    } catch (...) {
    }
    ::_exit(1);
  }
  for (int i = 0; i < 200 && !runs("43219"); ++i) std::this_thread::sleep_for(10ms);
  CHECK(runs("43219"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  for (int i = 0; i < 200 && runs("43219"); ++i) std::this_thread::sleep_for(10ms);
  CHECK_FALSE(runs("43219"));
}

TEST_CASE("a program that does not read its input does not end the caller") {
  auto options = shell("exec 0<&-; exit 3");
  options.input = std::string(1'000'000, 'x');
  CHECK(run_process(options, {}).exit_code == 3);
}
