#include "builder/python/resolve_failure.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

RequirementLine line(std::string name, std::string text, std::string place,
                     RequirementLine::Role role = RequirementLine::Role::install) {
  RequirementLine out;
  out.role = role;
  out.name = std::move(name);
  out.text = std::move(text);
  out.place = std::move(place);
  return out;
}

const std::string kBackend =
    "  cause: The build backend returned an error\n"
    "  cause: Call to `b.build_wheel` failed (exit status: 1)\n\n"
    "         [stderr]\n"
    "         boom: no headers\n\n";
const std::string kBackendOutput =
    "The build backend returned an error\nCall to `b.build_wheel` failed (exit status: 1)\n[stderr]\n"
    "boom: no headers";
const std::string kUvHint =
    "hint: either add it to your `pyproject.toml` under:\n\n[tool.uv.extra-build-dependencies]\n\nor `uv pip "
    "install x` into the environment and re-run with `--no-build-isolation`.\n";
const std::string kMissing =
    "The output says what is missing. Libraries and headers go into apt-packages (for example libpq-dev).";

std::string git_errors(const std::string& first, const std::string& url, const std::string& fatal) {
  return first +
         "cause: failed to clone into: /run/dash-build/uv-cache/git-v2/db/1\n  cause: process didn't exit "
         "successfully: `/usr/bin/git fetch --force '" +
         url +
         "' '+HEAD:refs/remotes/origin/HEAD'` (exit status: "
         "128)\n         --- stderr\n         " +
         fatal + "\n";
}

ResolveFailure failure(std::string errors, std::vector<RequirementLine> lines) {
  ResolveFailure out;
  out.errors = std::move(errors);
  out.lines = std::move(lines);
  out.interpreter.version = "3.11.2";
  out.versions = [](const std::string&, ResolveFailure::Choice choice) {
    return choice == ResolveFailure::Choice::wheels ? std::vector<std::string>{"2.0", "1.9"}
                                                    : std::vector<std::string>{"3.0", "2.0"};
  };
  return out;
}

}  // namespace

TEST_CASE("resolver: sources that do not build") {
  struct Case {
    std::string errors;
    std::vector<RequirementLine> lines;
    std::string message;
    std::string hint;
    std::string output;
  };
  const std::string with_wheel = kMissing + " Versions with a wheel need no build: 2.0, 1.9.";
  const Case cases[] = {
      {"error: Failed to build `bad==1.0`\n" + kBackend + kUvHint,
       {line("six", "six", "requirements.txt:1"), line("bad", "bad==1.0", "requirements.txt:2")},
       "requirements.txt:2: building bad==1.0 failed",
       with_wheel,
       "Failed to build `bad==1.0`\n" + kBackendOutput},
      {"error: Failed to build `bad==1.0`\n" + kBackend +
           "hint: `bad` (v1.0) was included because `top` (v1.0) depends on `mid` (v1.0) which depends on "
           "`bad`\n\n" +
           kUvHint,
       {line("top", "top", "requirements.txt:1")},
       "building bad==1.0, which top (requirements.txt:1) needs, failed",
       with_wheel,
       "Failed to build `bad==1.0`\n" + kBackendOutput},
      {"error: Failed to build `bad @ file:///app/bad`\n" + kBackend,
       {line("bad", "bad @ file:///app/bad", "requirements.txt:1")},
       "requirements.txt:1: building bad failed",
       kMissing,
       "Failed to build `bad @ file:///app/bad`\n" + kBackendOutput},
      {"error: The build backend returned an error\n  cause: Call failed\n",
       {line("six", "six", "requirements.txt:1"), line("", "file:///app/bad", "requirements.txt:2")},
       "requirements.txt:2: building file:///app/bad failed",
       kMissing,
       "The build backend returned an error\nCall failed"},
      {"error: The build backend returned an error\n  cause: Call failed\n",
       {line("", "file:///app/a", "requirements.txt:1"), line("", "file:///app/b", "requirements.txt:2")},
       "building a project without a name failed",
       kMissing,
       "The build backend returned an error\nCall failed"},
  };
  for (const Case& c : cases) {
    const Error error = explain(failure(c.errors, c.lines));
    CHECK(error.code() == ErrorCode::step_failed);
    CHECK(error.message() == c.message);
    CHECK(error.hint() == c.hint);
    CHECK(error.output() == c.output);
  }
}

TEST_CASE("resolver: repositories that cannot be had") {
  const std::string url = "https://git.example/x/y";
  const std::string unreachable =
      "fatal: unable to access '" + url + "/': Could not resolve host: git.example";
  struct Case {
    std::string errors;
    std::vector<RequirementLine> lines;
    ErrorCode code;
    std::string message;
  };
  const auto other = line("z", "git+https://git.example/x/yz", "requirements.txt:1");
  const Case cases[] = {
      {git_errors("error: Git operation failed\n  ", url, unreachable),
       {other, line("y", "git+https://${TOKEN}@git.example/x/y#egg=y", "requirements.txt:2")},
       ErrorCode::unavailable,
       "requirements.txt:2: cannot get https://git.example/x/y: Could not resolve host: git.example"},
      {git_errors(
           "error: Failed to download and build `y @ git+" + url + "`\n  cause: Git operation failed\n  ",
           url, "fatal: couldn't find remote ref refs/tags/v9"),
       {other, line("y", "y @ git+https://git.example/x/y@v9", "requirements.txt:3")},
       ErrorCode::invalid_input,
       "requirements.txt:3: cannot get https://git.example/x/y: couldn't find remote ref refs/tags/v9"},
      // The URL is not written as in the line, and there is only one.
      {git_errors("error: Git operation failed\n  ", url, unreachable),
       {line("y", "git+HTTPS://git.example/x/y", "requirements.txt:1")},
       ErrorCode::unavailable,
       "requirements.txt:1: cannot get https://git.example/x/y: Could not resolve host: git.example"},
      // A package that another one names.
      {git_errors("error: Git operation failed\n  ", url, unreachable),
       {line("six", "six", "requirements.txt:1")},
       ErrorCode::unavailable,
       "cannot get https://git.example/x/y: Could not resolve host: git.example"},
      {"error: Failed to download and build `y @ git+https://git.example/x/y`\n  cause: Git operation "
       "failed\n"
       "  cause: Remote Git fetches are not allowed because network connectivity is disabled (i.e., with "
       "`--offline`)\n",
       {line("y", "y @ git+https://git.example/x/y", "requirements.txt:1")},
       ErrorCode::unavailable,
       "requirements.txt:1: cannot get https://git.example/x/y: Remote Git fetches are not allowed because "
       "network connectivity is disabled (i.e., with `--offline`)"},
  };
  for (const Case& c : cases) {
    const Error error = explain(failure(c.errors, c.lines));
    CHECK(error.code() == c.code);
    CHECK(error.message() == c.message);
    CHECK_FALSE(error.hint().empty());
    CHECK_FALSE(error.output().empty());
  }
}

TEST_CASE("resolver: lines that cannot be read") {
  const std::vector<RequirementLine> lines = {
      line("six", "six", "requirements.txt:1"), line("", "foo bar", "requirements.txt:2"),
      line("", "bad limit", "limits.txt:1", RequirementLine::Role::constrain)};
  CHECK(
      explain(failure("error: Couldn't parse requirement in `/run/requirements.txt` at position 4\n", lines))
          .message() == "requirements.txt:2: foo bar is not a requirement that can be read");
  CHECK(explain(failure("error: Couldn't parse requirement in `/run/constraints.txt` at position 0\n", lines))
            .message() == "limits.txt:1: bad limit is not a requirement that can be read");
}

TEST_CASE("resolver: another index has the version") {
  const Error error = explain(failure(
      "error: No solution found when resolving dependencies\n"
      "  cause: Because there is no version of alpha==9 and you require alpha==9, we can conclude that your "
      "requirements are unsatisfiable.\n\n"
      "hint: `alpha` was found on A, but not at the requested version. A compatible version may be available "
      "on a subsequent index\n",
      {line("alpha", "alpha==9", "requirements.txt:1")}));
  CHECK(error.message() == "requirements.txt:1: there is no version alpha==9");
  CHECK(error.hint() ==
        "Another index has it, but the first index that knows the package decides, unless --index-strategy "
        "unsafe-best-match (or DASH_BUILD_INDEX_STRATEGY) is given. The newest versions for Python 3.11 are: "
        "3.0, "
        "2.0.");
  CHECK(error.output() ==
        "Because there is no version of alpha==9 and you require alpha==9, we can conclude that your "
        "requirements "
        "are unsatisfiable.");
}

TEST_CASE("resolver: other failures, and another uv") {
  struct Case {
    std::string errors;
    ErrorCode code;
    std::string message;
    std::string hint;
    std::string output;
  };
  const Case cases[] = {
      {"error: Distribution not found at: file:///app/x.whl\n", ErrorCode::invalid_input,
       "cannot resolve the Python requirements: Distribution not found at: file:///app/x.whl",
       "Check the lines of the requirements files that the message names.",
       "Distribution not found at: file:///app/x.whl"},
      {"error: Failed to read `x`\n  cause: one\n         more\n  cause: two\n         more\n\nhint: H\n",
       ErrorCode::invalid_input, "cannot resolve the Python requirements: Failed to read `x`: two",
       "Check the lines of the requirements files that the message names.",
       "Failed to read `x`\none\nmore\ntwo\nmore"},
      {"error: Failed to read `x`\n  cause: Hash mismatch for `x`\n", ErrorCode::corrupt,
       "cannot resolve the Python requirements: Failed to read `x`: Hash mismatch for `x`",
       "The file is not the one that the requirements name. Check where it comes from.",
       "Failed to read `x`\nHash mismatch for `x`"},
      {"", ErrorCode::step_failed, "cannot resolve the Python requirements: uv failed",
       "uv ended without an explanation, as programs do that run out of memory or disk.", ""},
      {"Something else\nhint: H\n", ErrorCode::step_failed,
       "cannot resolve the Python requirements: uv failed",
       "uv ended without an explanation, as programs do that run out of memory or disk.",
       "Something else\nhint: H"},
      {"error: No solution found when resolving dependencies\n  cause: Other words.\n",
       ErrorCode::invalid_input, "no set of versions fits all requirements",
       "The output names what excludes what. Loosen or change these lines.", "Other words."},
  };
  for (const Case& c : cases) {
    const Error error = explain(failure(c.errors, {}));
    CHECK(error.code() == c.code);
    CHECK(error.message() == c.message);
    CHECK(error.hint() == c.hint);
    CHECK(error.output() == c.output);
  }
}
