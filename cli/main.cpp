// The program: parse, wire, call, print.
#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <thread>

#include <unistd.h>

namespace {

using namespace dash;

// Turns the first SIGINT, SIGTERM or SIGHUP into a stop request, and the second into an end at once. The
// signals must be blocked before any thread starts.
class Interrupts {
 public:
  Interrupts() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    thread_ = std::jthread([this](const std::stop_token& end) { watch(end); });
  }
  ~Interrupts() {
    thread_.request_stop();
    ::pthread_kill(thread_.native_handle(), SIGHUP);  // wakes it
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  std::stop_token token() const { return stop_.get_token(); }

 private:
  void watch(const std::stop_token& end) {
    for (;;) {
      if (::sigwaitinfo(&signals_, nullptr) < 0) continue;
      if (end.stop_requested()) return;
      if (stop_.stop_requested()) ::_exit(130);
      stop_.request_stop();
    }
  }

  sigset_t signals_{};
  std::stop_source stop_;
  std::jthread thread_;
};

int run(int argc, char** argv) {
  const auto command = cli::parse_command_line(argc, argv, cli::environment_variables());
  const Interrupts interrupts;
  return std::visit([&](const auto& options) { return cli::run_command(options, interrupts.token()); },
                    command);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    std::fputs(render(error).c_str(), stderr);
    return exit_code(error.code());
  } catch (const std::bad_alloc&) {
    std::fputs("error: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n  this is a bug in dash-build; please report it with the command line\n",
                 error.what());
  }
  return exit_code(ErrorCode::internal);
}
