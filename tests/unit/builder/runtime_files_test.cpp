#include "builder/app/conda_runtime.hpp"
#include "builder/app/runtime_txt.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;

TEST_CASE("runtime.txt names a minor or a patch version", "[runtime]") {
  struct Case {
    const char* text;
    const char* version;
  };
  const auto c = GENERATE(values<Case>({{"python-3.11", "3.11"},
                                        {"python-3.11\n", "3.11"},
                                        {"python-3.11.7\r\n", "3.11.7"},
                                        {"\xEF\xBB\xBFpython-3.8.18 \t\r\n\r\n\n", "3.8.18"},
                                        {"# the server's\n\n  python-3.10\n", "3.10"},
                                        {"python-2.7.18", "2.7.18"},
                                        {"python-3.11.0", "3.11.0"}}));
  CAPTURE(c.text);
  CHECK(parse_runtime_txt(c.text).to_string() == c.version);
}

TEST_CASE("a bad runtime.txt is quoted and the right forms are shown", "[runtime]") {
  const std::string forms =
      " | write \"python-3.11\" for the newest 3.11 there is, or \"python-3.11.7\" for that one";
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c =
      GENERATE(values<Case>({{"3.11", "runtime.txt:1: '3.11' is not a Python version"},
                             {"\nPython-3.11\n", "runtime.txt:2: 'Python-3.11' is not a Python version"},
                             {"python-3", "runtime.txt:1: 'python-3' is not a Python version"},
                             {"python-3.11.x", "runtime.txt:1: 'python-3.11.x' is not a Python version"},
                             {"python-3.011", "runtime.txt:1: 'python-3.011' is not a Python version"},
                             {"python-3.11.7.1", "runtime.txt:1: 'python-3.11.7.1' is not a Python version"},
                             {"python-99999999999999999999.1",
                              "runtime.txt:1: 'python-99999999999999999999.1' is not a Python version"},
                             {"python 3.11", "runtime.txt:1: 'python 3.11' is not a Python version"}}));
  CAPTURE(c.text);
  CHECK(error_of([&] { parse_runtime_txt(c.text); }) == "invalid_input: " + std::string(c.error) + forms);
}

TEST_CASE("runtime.txt: empty, two lines, PyPy", "[runtime]") {
  CHECK(error_of([] { parse_runtime_txt(" \r\n\n"); }) ==
        "invalid_input: runtime.txt is empty | write one line, for example \"python-3.11\", or remove the "
        "file");
  CHECK(error_of([] { parse_runtime_txt("python-3.11\npython-3.12\n"); }) ==
        "invalid_input: runtime.txt:2: a second value 'python-3.12' after 'python-3.11' | runtime.txt holds "
        "one line, for "
        "example \"python-3.11\"");
  CHECK(error_of([] { parse_runtime_txt("pypy3.6-7.3.2\n"); }) ==
        "invalid_input: runtime.txt:1: PyPy is not supported: 'pypy3.6-7.3.2' | ask for CPython, for example "
        "\"python-3.11\" or \"python-3.11.7\"");
}

TEST_CASE("an interpreter answers a request", "[runtime]") {
  using Match = PythonVersionRequest::Match;
  CHECK(parse_runtime_txt("python-3.11").match("3.11.2") == Match::yes);
  CHECK(parse_runtime_txt("python-3.11.2").match("3.11.2") == Match::yes);
  CHECK(parse_runtime_txt("python-3.11.7").match("3.11.2") == Match::other_patch);
  CHECK(parse_runtime_txt("python-3.1").match("3.11.2") == Match::no);
  CHECK(parse_runtime_txt("python-2.11").match("3.11.2") == Match::no);
  CHECK(parse_runtime_txt("python-3.11").match("3.11.0rc1") == Match::no);
}

TEST_CASE("runtime.txt of an app", "[runtime]") {
  testing::TempApp app;
  CHECK_FALSE(read_runtime_txt(app.open()));
  app.file("runtime.txt", "python-3.11\r\n");
  CHECK(read_runtime_txt(app.open()) == PythonVersionRequest{3, 11, std::nullopt});
}

TEST_CASE("conda-runtime.txt names an installer", "[runtime]") {
  struct Case {
    const char* text;
    const char* installer;
    const char* version;
  };
  const auto c = GENERATE(values<Case>({
      {"Miniconda3-4.5.12", "Miniconda3-4.5.12", "4.5.12"},
      {"\xEF\xBB\xBF  Miniconda2-4.5.12 \r\n\r\n", "Miniconda2-4.5.12", "4.5.12"},
      {"Miniconda3-latest\n", "Miniconda3-latest", ""},
      {"Miniconda3-py39_4.12.0\n", "Miniconda3-py39_4.12.0", ""},
      {"Miniforge3-23.11.0-0\n", "Miniforge3-23.11.0-0", ""},
  }));
  CAPTURE(c.text);
  const auto runtime = parse_conda_runtime(c.text);
  CHECK(runtime.installer == c.installer);
  CHECK(runtime.version.value_or("") == c.version);
  CHECK(runtime.origin == CondaRuntime::Origin::file);
}

TEST_CASE("a bad conda-runtime.txt is refused with its reason", "[runtime]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"Miniconda2-4.2.11-Windows-x86_64.exe",
       "'Miniconda2-4.2.11-Windows-x86_64.exe' is an installer for Windows"},
      {"Miniconda3-4.5.12-MacOSX-x86_64.sh",
       "'Miniconda3-4.5.12-MacOSX-x86_64.sh' is an installer for macOS"},
      {"../Miniconda3-4.5.12", "'../Miniconda3-4.5.12' is a path, not an installer's name"},
      {"Miniconda3-4.5.12-Linux-x86_64.sh",
       "'Miniconda3-4.5.12-Linux-x86_64.sh' is a file name, not just the installer's name"},
      {"python-3.11", "'python-3.11' is not the name of a conda installer"},
      {"miniconda3-4.5.12", "'miniconda3-4.5.12' is not the name of a conda installer"},
      {"Miniconda3-", "'Miniconda3-' does not end with a version"},
      {"Miniconda3-4.5 12", "'Miniconda3-4.5 12' does not end with a version"},
  }));
  CAPTURE(c.text);
  CHECK(error_of([&] { parse_conda_runtime(c.text); }) ==
        "invalid_input: conda-runtime.txt:1: " + std::string(c.error) +
            " | write the installer's name without system and suffix, for example \"Miniconda3-4.5.12\" or "
            "\"Miniconda3-latest\"");
}

TEST_CASE("conda-runtime.txt: default, empty, two lines", "[runtime]") {
  testing::TempApp app;
  CHECK(read_conda_runtime(app.open()) ==
        CondaRuntime{"Miniconda3-4.5.12", "4.5.12", CondaRuntime::Origin::standard});
  CHECK(error_of([] { parse_conda_runtime("\n"); }) ==
        "invalid_input: conda-runtime.txt is empty | write one line, for example \"Miniconda3-4.5.12\", or "
        "remove the "
        "file");
  CHECK(error_of([] { parse_conda_runtime("Miniconda3-4.5.12\nMiniconda3-4.5.11\n"); }) ==
        "invalid_input: conda-runtime.txt:2: a second value 'Miniconda3-4.5.11' after 'Miniconda3-4.5.12' | "
        "conda-runtime.txt holds one line, for example \"Miniconda3-4.5.12\"");
}
