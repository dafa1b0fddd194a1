// Running other programs: argument vectors (never a shell), streamed output, cancellation, no orphans.
#pragma once

#include "base/error.hpp"
#include "base/path.hpp"

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dash {

struct ProcessOptions {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH of `environment` unless it has a slash
  std::vector<std::string> environment;  // "NAME=value"; the complete environment of the child
  fs::path directory;                    // empty: the caller's
  std::string input;                     // given on standard input; the child sees end of file after it
  int input_fd = -1;                     // the child's standard input instead of `input`; stays the caller's
  // Called with each whole line (no newline) of standard output and standard error as it comes, from the
  // calling thread. Lines over 64 KiB come in pieces. Unset: the output is dropped.
  std::function<void(std::string_view line)> on_stdout;
  std::function<void(std::string_view line)> on_stderr;
  // Called with raw standard output instead of lines; wins over `on_stdout`.
  std::function<void(std::string_view bytes)> on_stdout_bytes;
  // Extra descriptors the child inherits, under the same numbers.
  std::vector<int> inherit;
  // Linux namespaces (CLONE_NEW* flags of clone(2)) that the child starts in. With CLONE_NEWPID it is process
  // 1 there, so that whatever it started dies with it, also what left its process group.
  int namespaces = 0;
  // Runs in the child just before the program starts, for mounts and the like. Only async-signal-safe calls,
  // no allocation: other threads may hold any lock. Returns nullptr, or with errno set what could not be
  // done, a string with static storage.
  std::function<const char*()> prepare;
};

// The child could not be made or set up, or its program not be started. Where namespaces were asked for and
// the host does not allow them it is `unsupported`, with what to do about that.
class StartError : public Error {
 public:
  enum class Namespaces { none, wanted };
  StartError(const std::string& program, const char* step, int error_number, Namespaces namespaces);
  // What failed: a string of ProcessOptions::prepare, or one of run_process itself ("clone", "execute", …).
  std::string_view step() const { return step_; }
  int error_number() const { return error_number_; }

 private:
  const char* step_;
  int error_number_;
};

struct ProcessResult {
  int exit_code = 0;  // 128 + signal when killed by a signal, as shells count
  int signal = 0;     // 0 when it exited by itself
  std::string tail;   // the last lines (up to 8 KiB) of both streams together
  bool ok() const { return exit_code == 0; }
};

// Runs the program and waits. The child leads a process group of its own, dies when the calling thread's
// process dies, and has the default signal dispositions. When `stop` is requested the group gets SIGTERM,
// SIGKILL after half a second, and Error(canceled) is thrown. A program that isn't there is an
// Error(not_found); one that can't be started, or a child that can't be set up, is a StartError.
ProcessResult run_process(const ProcessOptions& options, std::stop_token stop);

// Runs it, and a failing exit code is an Error(step_failed) with the command and its last output.
// Returns standard output.
std::string run_checked(ProcessOptions options, std::stop_token stop);

// PATH where nobody sets one, as Debian has it; of the host, of sandboxes and of images.
inline constexpr const char* kDefaultSearchPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Full path of an executable in a PATH value; nothing when there is none.
std::optional<fs::path> find_program(std::string_view name, std::string_view search_path);

}  // namespace dash
