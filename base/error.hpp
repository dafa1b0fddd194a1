// Failures: one exception type, built where something fails and given context while it unwinds.
//
// Outcomes that a caller expects (an absent blob, a cache miss) are values; everything else is an Error.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dash {

// What kind of failure it is. `exit_code` maps each to the exit code that docs/exit-codes.md lists.
enum class ErrorCode {
  internal,       // a bug of this program
  usage,          // wrong command line
  invalid_input,  // the app's files, a given archive or a configuration file are wrong
  not_found,      // something named does not exist
  unsupported,    // valid, but not supported here
  step_failed,    // a command of the app or of a package failed during the build
  corrupt,        // content does not match its digest, or a store is damaged
  no_space,       // disk or inodes are used up
  denied,         // permission or credentials
  unavailable,    // network or server, possibly only for now
  canceled,       // stopped by the user
};

// Lower-case word for `code`, as in JSON output ("invalid_input").
std::string_view to_string(ErrorCode code);

// Process exit code for `code` (docs/exit-codes.md).
int exit_code(ErrorCode code);

// A failure with everything a person needs: what happened, where (context frames, innermost first), why
// (the message's cause part) and what to do next (the hint). Immutable apart from `add_context`.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::vector<std::string>& context() const { return context_; }
  const std::string& hint() const { return hint_; }
  // The last output lines of a command that failed; empty for other failures.
  const std::string& output() const { return output_; }
  const char* what() const noexcept override { return message_.c_str(); }

  Error& with_hint(std::string hint) & {
    hint_ = std::move(hint);
    return *this;
  }
  Error&& with_hint(std::string hint) && { return std::move(with_hint(std::move(hint))); }
  Error&& with_output(std::string output) && {
    output_ = std::move(output);
    return std::move(*this);
  }
  void add_context(std::string frame) { context_.push_back(std::move(frame)); }

 private:
  ErrorCode code_;
  std::string message_;
  std::string hint_;
  std::string output_;
  std::vector<std::string> context_;
};

// An Error for a failed system call: "WHAT: <text of errno>". ENOSPC and EDQUOT become no_space, EACCES and
// EPERM denied, ENOENT not_found, what a wrong path brings invalid_input, all others internal. Every code
// carries a fitting hint where there is one.
Error system_error(std::string_view what, int errno_value);

// Runs `body`; an Error that leaves it gains `frame` ("while reading FILE") as context.
template <class Body>
auto with_context(std::string_view frame, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(std::string(frame));
    throw;
  }
}

// What to do about it: the error's hint, or where it has none what helps with most failures of its kind;
// empty only when the user stopped the program.
std::string next_step(const Error& error);

// The error as text for a terminal: "error: what", then "  while …" lines outermost first, the command's last
// output, and a "hint: …" line. Ends with a newline.
std::string render(const Error& error);

}  // namespace dash
