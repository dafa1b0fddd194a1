#include "builder/python/uv_run.hpp"

#include "base/error.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

TEST_CASE("uv: credentials are taken out of URLs") {
  CHECK(without_credentials("GET https://user:p@ss@index.example/a `http://x@y.example`") ==
        "GET https://index.example/a `http://y.example`");
  CHECK(without_credentials("http://a.example\nme@b.example") == "http://a.example\nme@b.example");
}

TEST_CASE("uv: its errors are read") {
  using Parts = std::vector<std::string>;
  struct Case {
    const char* output;
    Parts parts;
    const char* text;
  };
  const Case cases[] = {
      {"", {}, ""},
      {"killed\n", {}, "killed"},
      {"error: E\n", {"E"}, "error: E"},
      {"error: E\n  cause: C\n         more\n\n           indented\n  cause: D\n\nhint: H\n\nmore hints\n",
       {"E", "C\nmore\n  indented", "D"},
       "error: E\n  cause: C\n         more\n\n           indented\n  cause: D"},
      // What builds write is kept, errors and hints too.
      {"hint: of git\nerror: of gcc\nhint: of gcc\nerror: Failed to build `x`\n  cause: C\n\nhint: of uv\n",
       {"Failed to build `x`", "C"},
       "hint: of git\nerror: of gcc\nhint: of gcc\nerror: Failed to build `x`\n  cause: C"},
      // Another uv.
      {"Fehler: E\nhint: H\n", {}, "Fehler: E\nhint: H"},
  };
  for (const Case& c : cases) {
    const auto read = read_uv_errors(c.output);
    CHECK(read.parts == c.parts);
    CHECK(read.text == c.text);
  }
}

TEST_CASE("uv: what git says about a repository") {
  const std::string no_access =
      "The repository does not exist or needs a password. Use a token from a variable, as in "
      "git+https://${GIT_TOKEN}@git.example/team/project.git, or add the host to ~/.netrc.";
  const std::string no_revision =
      "The repository has no such branch, tag or commit: correct what stands behind the @ of the URL.";
  struct Case {
    const char* reason;
    ErrorCode code;
    const char* why;
    std::string hint;
  };
  const Case cases[] = {
      {"process failed\n--- stderr\nfatal: unable to access 'https://git.example/x/y/': Could not resolve "
       "host: "
       "git.example",
       ErrorCode::unavailable, "Could not resolve host: git.example",
       "Check the network, the proxy settings and the URL of the repository, then try again."},
      {"fatal: could not read Username for 'https://git.example': terminal prompts disabled",
       ErrorCode::denied, "could not read Username for 'https://git.example': terminal prompts disabled",
       no_access},
      {"fatal: unable to access 'https://git.example/x/y/': The requested URL returned error: 403",
       ErrorCode::denied, "The requested URL returned error: 403", no_access},
      {"fatal: couldn't find remote ref refs/tags/v9\nhint: of git\n", ErrorCode::invalid_input,
       "couldn't find remote ref refs/tags/v9", no_revision},
      {"fatal: reference is not a tree: 0123\n", ErrorCode::invalid_input, "reference is not a tree: 0123",
       no_revision},
      {"Remote Git fetches are not allowed because network connectivity is disabled", ErrorCode::unavailable,
       "Remote Git fetches are not allowed because network connectivity is disabled",
       "Build once online with the same store."},
  };
  for (const Case& c : cases) {
    const Error error = git_failure("r.txt:1", "https://me:pw@git.example/x/y", c.reason, "all");
    CHECK(error.code() == c.code);
    CHECK(error.message() == "r.txt:1: cannot get https://git.example/x/y: " + std::string(c.why));
    CHECK(error.hint() == c.hint);
    CHECK(error.output() == "all");
  }
  CHECK(git_failure("", "https://git.example/x", "fatal: no", "").message() ==
        "cannot get https://git.example/x: no");
}

TEST_CASE("uv: a source that does not build") {
  const Error error = build_failure("requirements.txt:2", "numpy==1.13.0", "output", {"2.1.0", "2.0.0"});
  CHECK(error.code() == ErrorCode::step_failed);
  CHECK(error.message() == "requirements.txt:2: building numpy==1.13.0 failed");
  CHECK(error.output() == "output");
  CHECK(
      error.hint() ==
      "The output says what is missing. Libraries and headers go into apt-packages (for example libpq-dev). "
      "Versions with a wheel need no build: 2.1.0, 2.0.0.");
  const Error other = build_failure("", "native", "", {});
  CHECK(other.message() == "building native failed");
  CHECK(
      other.hint() ==
      "The output says what is missing. Libraries and headers go into apt-packages (for example libpq-dev).");
}
