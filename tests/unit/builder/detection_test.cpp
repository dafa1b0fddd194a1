#include "builder/app/detection.hpp"

#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;
using Names = std::vector<std::string>;

TEST_CASE("the buildpack follows from the files in the root", "[detection]") {
  struct Case {
    Names files;
    const char* rule;
    Names notes;
  };
  const auto c = GENERATE(values<Case>({
      {{"requirements.txt"}, "python: requirements.txt", {}},
      {{"setup.py"}, "python: setup.py", {}},
      {{"pyproject.toml"}, "python: pyproject.toml", {}},
      {{"pyproject.toml", "requirements.txt", "setup.py"}, "python: requirements.txt", {}},
      {{"Pipfile", "requirements.txt"}, "python: requirements.txt", {}},
      {{"package.json", "requirements.txt"}, "python: requirements.txt", {}},
      {{"conda-requirements.txt"}, "conda: conda-requirements.txt", {}},
      {{"conda-runtime.txt"}, "conda: conda-runtime.txt", {}},
      {{"conda-requirements.txt", "conda-runtime.txt", "requirements.txt"},
       "conda: conda-requirements.txt",
       {}},
      {{"conda-requirements.txt", "runtime.txt"},
       "conda: conda-requirements.txt",
       {"runtime.txt is not used: a conda app's Python comes from conda"}},
      {{".buildpacks", "Dockerfile", "requirements.txt"},
       "python: requirements.txt",
       {"Dockerfile is not used: the app is built by its requirements.txt",
        ".buildpacks is not used: the app is built by its requirements.txt"}},
  }));
  testing::TempApp app;
  for (const auto& name : c.files) app.file(name, "");
  const auto detection = detect_buildpack(app.open());
  CHECK(detection.rule() == c.rule);
  CHECK(detection.notes == c.notes);
}

TEST_CASE("apps without a buildpack", "[detection]") {
  struct Case {
    Names files;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {{}, "invalid_input: the app directory APP is empty | give the directory that holds the app's source"},
      {{"Pipfile", "Pipfile.lock"},
       "unsupported: the app's packages are in a Pipfile, which is not supported yet | export it with "
       "\"pipenv "
       "requirements > requirements.txt\" and commit that file"},
      {{"app.py", "assets/a.css", "requirements.txt/x"},
       "invalid_input: no buildpack fits APP: looked for conda-requirements.txt, conda-runtime.txt, "
       "requirements.txt, "
       "setup.py, pyproject.toml, Pipfile; found app.py, assets/, requirements.txt/ | "
       "requirements.txt is a directory: put the packages, one per line, into a file of this name"},
      {{"app.py", "Requirement.txt"},
       "invalid_input: no buildpack fits APP: looked for conda-requirements.txt, conda-runtime.txt, "
       "requirements.txt, "
       "setup.py, pyproject.toml, Pipfile; found Requirement.txt, app.py | rename 'Requirement.txt' to "
       "'requirements.txt'"},
      {{"environment.yml"},
       "invalid_input: no buildpack fits APP: looked for conda-requirements.txt, conda-runtime.txt, "
       "requirements.txt, "
       "setup.py, pyproject.toml, Pipfile; found environment.yml | 'environment.yml' is not read: write the "
       "packages to "
       "conda-requirements.txt (conda list --export) or requirements.txt (pip freeze)"},
      {{"docs/x", "shop/requirements.txt"},
       "invalid_input: no buildpack fits APP: looked for conda-requirements.txt, conda-runtime.txt, "
       "requirements.txt, "
       "setup.py, pyproject.toml, Pipfile; found docs/, shop/ | 'shop/requirements.txt' exists: give the "
       "directory "
       "APP/shop instead"},
      {{"app.py"},
       "invalid_input: no buildpack fits APP: looked for conda-requirements.txt, conda-runtime.txt, "
       "requirements.txt, "
       "setup.py, pyproject.toml, Pipfile; found app.py | add a requirements.txt with the app's packages, "
       "one per line, "
       "for example \"dash==3.2.0\""},
      {{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"},
       "invalid_input: no buildpack fits APP: looked for conda-requirements.txt, conda-runtime.txt, "
       "requirements.txt, "
       "setup.py, pyproject.toml, Pipfile; found a, b, c, d, e, f, g, h, i, j, k, l and 2 more | add a "
       "requirements.txt "
       "with the app's packages, one per line, for example \"dash==3.2.0\""},
  }));
  testing::TempApp app;
  for (const auto& name : c.files) app.file(name, "");
  CHECK(app.neutral(error_of([&] { detect_buildpack(app.open()); })) == c.error);
}

TEST_CASE("an app directory that is none", "[detection]") {
  testing::TempApp app;
  app.file("x", "");
  CHECK(app.neutral(error_of([&] { AppDirectory(app.path() / "y"); })) ==
        "not_found: there is no directory APP/y | give the directory that holds the app's source");
  CHECK(app.neutral(error_of([&] { AppDirectory(app.path() / "x"); })) ==
        "invalid_input: APP/x is not a directory | give the directory that holds the app's source");
}
