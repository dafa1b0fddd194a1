#include "base/error.hpp"

#include "base/text.hpp"

#include <cerrno>
#include <system_error>

namespace dash {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::internal:
      return "internal";
    case ErrorCode::usage:
      return "usage";
    case ErrorCode::invalid_input:
      return "invalid_input";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::step_failed:
      return "step_failed";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::no_space:
      return "no_space";
    case ErrorCode::denied:
      return "denied";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::canceled:
      return "canceled";
  }
  return "internal";
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::internal:
      return 1;
    case ErrorCode::usage:
      return 2;
    case ErrorCode::invalid_input:
      return 3;
    case ErrorCode::step_failed:
      return 4;
    case ErrorCode::unavailable:
      return 5;
    case ErrorCode::corrupt:
      return 6;
    case ErrorCode::no_space:
      return 7;
    case ErrorCode::denied:
      return 8;
    case ErrorCode::not_found:
      return 9;
    case ErrorCode::unsupported:
      return 10;
    case ErrorCode::canceled:
      return 130;
  }
  return 1;
}

Error system_error(std::string_view what, int errno_value) {
  auto code = ErrorCode::internal;
  std::string hint;
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::no_space;
      hint =
          "free space (or inodes) on that file system; for the store, 'dash-build gc' frees some, and "
          "DASH_BUILD_HOME sets another disk";
      break;
    case EACCES:
    case EPERM:
      code = ErrorCode::denied;
      break;
    case EROFS:
      code = ErrorCode::denied;
      hint =
          "this file system can only be read; use a directory elsewhere, as the store with DASH_BUILD_HOME";
      break;
    case ENOENT:
    case ENOTDIR:
      code = ErrorCode::not_found;
      break;
    case EISDIR:
    case EBUSY:  // what rename(2) says of "."
      code = ErrorCode::invalid_input;
      hint = "name a file; this is a directory, or something that is in use";
      break;
    case ENAMETOOLONG:
    case ELOOP:
      code = ErrorCode::invalid_input;
      break;
    case EPIPE:
      code = ErrorCode::unavailable;
      hint = "the program that reads it has ended; look at what it says";
      break;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ETXTBSY:
      code = ErrorCode::unavailable;
      hint = "the machine is short of memory or open files, or the file is in use: try again";
      break;
    default:
      break;
  }
  Error error(code, concat(what, ": ", std::generic_category().message(errno_value)));
  if (!hint.empty()) error.with_hint(std::move(hint));
  return error;
}

std::string next_step(const Error& error) {
  if (!error.hint().empty()) return error.hint();
  switch (error.code()) {
    case ErrorCode::internal:
      return "this should not happen: please report it, with the command line and these lines";
    case ErrorCode::usage:
      return "'dash-build COMMAND --help' shows what the command takes";
    case ErrorCode::invalid_input:
      return "mend what is named above, then run the command again";
    case ErrorCode::not_found:
      return "check the name; it may be misspelt, incomplete or removed";
    case ErrorCode::unsupported:
      return "'dash-build doctor' shows what this host can do";
    case ErrorCode::step_failed:
      return "the command's output says what went wrong";
    case ErrorCode::corrupt:
      return "it is damaged, or was made to do harm: get it again from where it came from; 'dash-build "
             "validate' "
             "checks the store";
    case ErrorCode::no_space:
      return "free some space ('dash-build gc' removes what no image needs), or set DASH_BUILD_HOME to "
             "another "
             "disk";
    case ErrorCode::denied:
      return "run it as a user who may do this, or check the credentials";
    case ErrorCode::unavailable:
      return "check network, proxy and certificates, then try again";
    case ErrorCode::canceled:
      return {};
  }
  return {};
}

std::string render(const Error& error) {
  std::string out = concat("error: ", error.message(), '\n');
  for (auto frame = error.context().rbegin(); frame != error.context().rend(); ++frame)
    out += concat("  ", *frame, '\n');
  if (!error.output().empty()) {
    out += "  last output:\n";
    for (const auto line : split_lines(error.output())) out += concat("    | ", line, '\n');
  }
  if (const auto hint = next_step(error); !hint.empty()) out += concat("hint: ", hint, '\n');
  return out;
}

}  // namespace dash
