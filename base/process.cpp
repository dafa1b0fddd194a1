#include "base/process.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dash {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kTailLimit = std::size_t{8} * 1024;
constexpr std::size_t kLineLimit = std::size_t{64} * 1024;
constexpr auto kTermGrace = std::chrono::milliseconds(500);
constexpr int kAnswerTimeoutMs = 10'000;

struct Pipe {
  UniqueFd read, write;
  Pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) throw system_error("cannot make a pipe", errno);
    read = UniqueFd(fds[0]);
    write = UniqueFd(fds[1]);
  }
};

std::vector<char*> c_strings(const std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string_view search_path(const std::vector<std::string>& environment) {
  for (const auto& entry : environment)
    if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
  return kDefaultSearchPath;
}

// Cuts a stream into lines for a callback.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<void(std::string_view)>& callback) : callback_(callback) {}
  void add(std::string_view bytes) {
    if (!callback_) return;
    held_ += bytes;
    std::size_t start = 0;
    for (auto at = held_.find('\n'); at != std::string::npos; at = held_.find('\n', start)) {
      auto line = std::string_view(held_).substr(start, at - start);
      if (line.ends_with('\r')) line.remove_suffix(1);
      callback_(line);
      start = at + 1;
    }
    held_.erase(0, start);
    if (held_.size() > kLineLimit) flush();
  }
  void flush() {
    if (callback_ && !held_.empty()) callback_(held_);
    held_.clear();
  }

 private:
  const std::function<void(std::string_view)>& callback_;
  std::string held_;
};

void append_tail(std::string& tail, std::string_view bytes) {
  tail += bytes;
  if (tail.size() <= 2 * kTailLimit) return;
  tail.erase(0, tail.size() - kTailLimit);
}

// Turns SIGPIPE in this thread into EPIPE: a child that closes its standard input early must not end the
// program.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~NoBrokenPipe() {
    const timespec now{};
    while (::sigtimedwait(&set_, nullptr, &now) < 0 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipe(const NoBrokenPipe&) = delete;
  NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;

 private:
  sigset_t set_{}, before_{};
};

// What the child says about itself through a pipe that closes when the program starts.
struct Report {
  int error = 0;               // 0: the child is ready and waits for leave to go on
  const char* step = nullptr;  // valid in the parent too: same program, static storage
};

struct ChildSide {
  const ProcessOptions& options;
  const char* program;
  char* const* argv;
  char* const* envp;
  pid_t parent;
  int in, out, err;
  int report;  // Reports are written here
  int leave;   // one byte comes once the parent has seen the first Report
  int leave_parent_end;
};

[[noreturn]] void fail_child(const ChildSide& side, const char* step) {
  const Report report{errno, step};
  [[maybe_unused]] const auto count = ::write(side.report, &report, sizeof report);
  ::_exit(127);
}

// The parent's death must be noticed also when it comes before the child asked for the signal. In a new
// process namespace getppid() is always 0, so the parent answers instead: its death closes the pipe.
void tie_to_parent(const ChildSide& side) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if ((side.options.namespaces & CLONE_NEWPID) == 0) {
    if (::getppid() != side.parent) ::_exit(127);
    return;
  }
  ::close(side.leave_parent_end);
  const Report ready;
  char byte = 0;
  pollfd answer{side.leave, POLLIN, 0};
  // Siblings started at this moment hold copies of the parent's end for a while, hence the time limit.
  if (::write(side.report, &ready, sizeof ready) != sizeof ready ||
      ::poll(&answer, 1, kAnswerTimeoutMs) != 1 || ::read(side.leave, &byte, 1) != 1)
    ::_exit(127);
}

// Runs in the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void exec_child(const ChildSide& side) {
  ::setpgid(0, 0);
  tie_to_parent(side);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT}) ::signal(signal, SIG_DFL);
  if (::dup2(side.in, 0) < 0 || ::dup2(side.out, 1) < 0 || ::dup2(side.err, 2) < 0) fail_child(side, "dup2");
  // What this process itself was started with, and others' descriptors without O_CLOEXEC (best effort:
  // Linux 5.11).
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const int fd : side.options.inherit)
    if (::fcntl(fd, F_SETFD, 0) != 0) fail_child(side, "inherit a descriptor");
  if (!side.options.directory.empty() && ::chdir(side.options.directory.c_str()) != 0)
    fail_child(side, "enter the directory");
  if (side.options.prepare)
    if (const char* failed = side.options.prepare()) fail_child(side, failed);
  ::execve(side.program, side.argv, side.envp);
  fail_child(side, "execute");
}

pid_t start_child(const ProcessOptions& options) {
  if (options.namespaces == 0) return ::fork();
  // Like fork(2), with namespaces: no stack of its own, nothing shared. The C library's fork handlers don't
  // run, which is fine for a child that allocates nothing.
  return static_cast<pid_t>(::syscall(SYS_clone, static_cast<unsigned long>(options.namespaces | SIGCHLD),
                                      nullptr, nullptr, nullptr, nullptr));
}

// True when the child has ended; it stays to be waited for.
bool has_ended(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == child;
}

bool read_report(int fd, Report& report) {
  for (;;) {
    const auto count = ::read(fd, &report, sizeof report);
    if (count >= 0 || errno != EINTR) return count == sizeof report;
  }
}

// Sends SIGTERM to the group once `stop` is requested, SIGKILL when it outlives the grace period.
class Stopper {
 public:
  Stopper(pid_t group, std::stop_token stop) : group_(group), stop_(std::move(stop)) {}
  void poll() {
    if (!stop_.stop_requested()) return;
    if (!terminated_) {
      terminated_ = Clock::now();
      ::kill(-group_, SIGTERM);
    } else if (Clock::now() - *terminated_ > kTermGrace) {
      ::kill(-group_, SIGKILL);
    }
  }
  bool stopped() const { return terminated_.has_value(); }

 private:
  pid_t group_;
  std::stop_token stop_;
  std::optional<Clock::time_point> terminated_;
};

Error start_failure(const std::string& program, const char* step, int error_number,
                    StartError::Namespaces namespaces) {
  auto error = system_error(concat("cannot start ", program, " (", step, ")"), error_number);
  const bool refused = error_number == EPERM || error_number == EACCES || error_number == ENOSPC;
  if (namespaces == StartError::Namespaces::none || !refused) return error;
  return Error(ErrorCode::unsupported,
               concat("this host does not let the build make namespaces and mounts: ", error.message()))
      .with_hint(
          "run it as root with CAP_SYS_ADMIN (inside a container: a privileged one), and check "
          "/proc/sys/user/max_pid_namespaces and max_mnt_namespaces");
}

}  // namespace

StartError::StartError(const std::string& program, const char* step, int error_number, Namespaces namespaces)
    : Error(start_failure(program, step, error_number, namespaces)),
      step_(step),
      error_number_(error_number) {}

std::optional<fs::path> find_program(std::string_view name, std::string_view search_path) {
  if (contains(name, "/"))
    return ::access(std::string(name).c_str(), X_OK) == 0 ? std::optional(fs::path(std::string(name)))
                                                          : std::nullopt;
  for (const auto directory : split(search_path, ':')) {
    const auto candidate = fs::path(directory.empty() ? "." : std::string(directory)) / std::string(name);
    boost::system::error_code ignored;
    if (::access(candidate.c_str(), X_OK) == 0 && !fs::is_directory(candidate, ignored)) return candidate;
  }
  return std::nullopt;
}

ProcessResult run_process(const ProcessOptions& options, std::stop_token stop) {
  const auto program = find_program(options.argv.at(0), search_path(options.environment));
  if (!program)
    throw Error(ErrorCode::not_found, concat("the program ", quoted(options.argv[0]), " is not installed"))
        .with_hint("run 'dash-build doctor' to see what this host lacks and how to get it");

  Pipe input, output, errors, report, leave;
  const auto argv = c_strings(options.argv);
  const auto environment = c_strings(options.environment);
  const ChildSide side{options,
                       program->c_str(),
                       argv.data(),
                       environment.data(),
                       ::getpid(),
                       options.input_fd >= 0 ? options.input_fd : input.read.get(),
                       output.write.get(),
                       errors.write.get(),
                       report.write.get(),
                       leave.read.get(),
                       leave.write.get()};
  const auto namespaces =
      options.namespaces == 0 ? StartError::Namespaces::none : StartError::Namespaces::wanted;
  const pid_t child = start_child(options);
  if (child < 0) throw StartError(program->string(), "clone", errno, namespaces);
  if (child == 0) exec_child(side);
  ::setpgid(child, child);
  input.read.reset();
  output.write.reset();
  errors.write.reset();
  report.write.reset();

  Report said;
  while (read_report(report.read.get(), said)) {
    if (said.error == 0) {
      [[maybe_unused]] const auto count = ::write(leave.write.get(), "", 1);
      continue;
    }
    ::waitpid(child, nullptr, 0);
    throw StartError(program->string(), said.step, said.error, namespaces);
  }

  ProcessResult result;
  LineSplitter out_lines(options.on_stdout), err_lines(options.on_stderr);
  Stopper stopper(child, std::move(stop));
  std::string_view pending = options.input;
  if (pending.empty())
    input.write.reset();
  else
    ::fcntl(input.write.get(), F_SETFL, O_NONBLOCK);
  std::vector<char> buffer(kLineLimit);
  std::exception_ptr failure;
  auto drain = [&](UniqueFd& fd, auto&& deliver) {
    const auto count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count <= 0) return fd.reset();
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    try {
      deliver(bytes);
    } catch (...) {  // a callback failed: end the child, then rethrow below
      if (!failure) failure = std::current_exception();
      ::kill(-child, SIGKILL);
    }
  };
  while (output.read || errors.read) {
    std::array<pollfd, 3> fds = {
        {{output.read.get(), POLLIN, 0}, {errors.read.get(), POLLIN, 0}, {input.write.get(), POLLOUT, 0}}};
    const int ready = ::poll(fds.data(), fds.size(), 50);
    stopper.poll();
    if (ready <= 0) {
      // Both streams may be held open by a grandchild in another group; the child's end decides then.
      if ((stopper.stopped() || failure) && has_ended(child)) break;
      continue;
    }
    if (fds[0].revents != 0)
      drain(output.read, [&](std::string_view bytes) {
        if (options.on_stdout_bytes) return options.on_stdout_bytes(bytes);
        append_tail(result.tail, bytes);
        out_lines.add(bytes);
      });
    if (fds[1].revents != 0)
      drain(errors.read, [&](std::string_view bytes) {
        append_tail(result.tail, bytes);
        err_lines.add(bytes);
      });
    if (fds[2].revents != 0) {
      const NoBrokenPipe guard;
      const auto count = ::write(input.write.get(), pending.data(), pending.size());
      if (count > 0) pending.remove_prefix(static_cast<std::size_t>(count));
      if (pending.empty() || (count < 0 && errno != EAGAIN && errno != EINTR)) input.write.reset();
    }
  }
  int status = 0;
  for (;;) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) break;
    if (done < 0 && errno != EINTR) throw system_error(concat("cannot wait for ", options.argv[0]), errno);
    stopper.poll();
    if (done == 0) ::usleep(1000);  // it closed its streams and is about to exit, or runs on without them
  }
  if (failure) std::rethrow_exception(failure);
  if (stopper.stopped())
    throw Error(ErrorCode::canceled, concat("stopped while ", program->filename().string(), " was running"));
  out_lines.flush();
  err_lines.flush();
  if (result.tail.size() > kTailLimit) result.tail.erase(0, result.tail.size() - kTailLimit);
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  result.exit_code = result.signal != 0 ? 128 + result.signal : WEXITSTATUS(status);
  return result;
}

std::string run_checked(ProcessOptions options, std::stop_token stop) {
  std::string output;
  options.on_stdout_bytes = [&](std::string_view bytes) { output += bytes; };
  const auto result = run_process(options, std::move(stop));
  if (!result.ok())
    throw Error(ErrorCode::step_failed,
                concat("'", shell_join(options.argv), "' failed with exit code ", result.exit_code))
        .with_output(result.tail);
  return output;
}

}  // namespace dash
