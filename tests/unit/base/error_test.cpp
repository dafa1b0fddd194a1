#include "base/error.hpp"

#include "base/event.hpp"

#include <cerrno>
#include <set>

#include <catch2/catch.hpp>

using namespace dash;

TEST_CASE("errors are rendered the same way always") {
  auto error =
      Error(ErrorCode::step_failed, "pip failed").with_output("line 1\r\nline 2\n").with_hint("look there");
  error.add_context("while installing packages");
  error.add_context("while building app");
  CHECK(render(error) ==
        "error: pip failed\n  while building app\n  while installing packages\n  last output:\n    | line "
        "1\n    | line "
        "2\nhint: look there\n");
  CHECK(render(Error(ErrorCode::usage, "x")) ==
        "error: x\nhint: 'dash-build COMMAND --help' shows what the command takes\n");
  CHECK(render(Error(ErrorCode::canceled, "stopped")) == "error: stopped\n");
}

TEST_CASE("context is added while an error unwinds, and only to errors") {
  CHECK(with_context("frame", [] { return 3; }) == 3);
  try {
    with_context("outer", [] { with_context("inner", [] { throw Error(ErrorCode::corrupt, "bad"); }); });
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.context() == std::vector<std::string>{"inner", "outer"});
    CHECK(error.code() == ErrorCode::corrupt);
    CHECK(std::string(error.what()) == "bad");
  }
  CHECK_THROWS_AS(with_context("frame", [] { throw 7; }), int);
}

TEST_CASE("system errors say what, why and what to do") {
  const auto full = system_error("cannot write /x", ENOSPC);
  CHECK(full.code() == ErrorCode::no_space);
  CHECK(full.message() == "cannot write /x: No space left on device");
  CHECK_FALSE(full.hint().empty());
  CHECK(system_error("a", EDQUOT).code() == ErrorCode::no_space);
  CHECK(system_error("a", EACCES).code() == ErrorCode::denied);
  CHECK(system_error("a", EPERM).code() == ErrorCode::denied);
  CHECK(system_error("a", ENOENT).code() == ErrorCode::not_found);
  CHECK(system_error("a", EIO).code() == ErrorCode::internal);
}

TEST_CASE("every code has a word and an exit code of its own") {
  const auto all = {ErrorCode::internal,    ErrorCode::usage,       ErrorCode::invalid_input,
                    ErrorCode::not_found,   ErrorCode::unsupported, ErrorCode::step_failed,
                    ErrorCode::corrupt,     ErrorCode::no_space,    ErrorCode::denied,
                    ErrorCode::unavailable, ErrorCode::canceled};
  std::set<std::string_view> words;
  std::set<int> codes;
  for (const auto code : all) {
    words.insert(to_string(code));
    codes.insert(exit_code(code));
  }
  CHECK(words.size() == all.size());
  CHECK(codes.size() == all.size());
  CHECK(exit_code(ErrorCode::canceled) == 130);
  CHECK_FALSE(codes.contains(0));
  CHECK(to_string(Decision::fetch) == "fetch");
}
