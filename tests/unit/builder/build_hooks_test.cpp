#include "builder/app/build_hooks.hpp"

#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::TempApp;

namespace {

template <class Body>
Error thrown(Body&& body) {
  return dash::testing::thrown_by(body).value();
}

BuildHooks read(const TempApp& app) {
  const auto directory = app.open();
  return read_build_hooks(directory, IgnoreRules::read(directory));
}

}  // namespace

TEST_CASE("hooks are the files in bin/ that go into the image") {
  TempApp app;
  CHECK(read(app).pre_compile == BuildHooks::Hook::absent);
  app.file("bin/pre_compile", "#!/bin/bash\n", 0755).file("bin/post_compile", "echo\n");
  const auto hooks = read(app);
  CHECK(hooks.pre_compile == BuildHooks::Hook::present);
  CHECK(hooks.post_compile == BuildHooks::Hook::present);
  CHECK(hooks.notes == std::vector<std::string>{
                           "bin/post_compile is not executable; it runs nevertheless ('git update-index "
                           "--chmod=+x bin/post_compile' sets the bit)"});
  app.file(".slugignore", "bin/\n");
  CHECK(read(app).pre_compile == BuildHooks::Hook::absent);
}

TEST_CASE("a hook whose program can't be found is an error with its reason") {
  TempApp app;
  app.file("bin/pre_compile", "#!/bin/bash\r\necho\r\n", 0755);
  const auto error = thrown([&] { read(app); });
  CHECK(error.message() == "bin/pre_compile:1: the line ends with CR LF, so that its program can't be found");
  CHECK(error.hint().starts_with("save the file with LF line ends"));
}

TEST_CASE("manage.py with the shortest way from the root, at most two directories down") {
  TempApp app;
  app.file("a/b/c/manage.py", "");
  CHECK(read(app).manage_py.empty());
  app.file("z/y/manage.py", "");
  CHECK(read(app).manage_py == "z/y/manage.py");
  app.file("b/x/manage.py", "");
  CHECK(read(app).manage_py == "b/x/manage.py");
  app.file("z/manage.py", "");
  CHECK(read(app).manage_py == "z/manage.py");
  app.file("manage.py", "");
  CHECK(read(app).manage_py == "manage.py");
  app.file(".dockerignore", "/manage.py\n");
  CHECK(read(app).manage_py == "z/manage.py");
  CHECK(read(app).collectstatic == BuildHooks::Collectstatic::wanted);
  app.file(".heroku/collectstatic_disabled", "");
  CHECK(read(app).collectstatic == BuildHooks::Collectstatic::disabled);
}

TEST_CASE("nltk.txt") {
  CHECK(parse_nltk_txt("\xef\xbb\xbf# corpora\r\npunkt\r\n\r\nstopwords wordnet # two\r\nbrown") ==
        std::vector<std::string>{"punkt", "stopwords", "wordnet", "brown"});
  CHECK(parse_nltk_txt("").empty());
  const auto error = thrown([] { parse_nltk_txt("punkt\n-d /\n"); });
  CHECK(error.message() == "nltk.txt:2: '-d' is not the name of an NLTK package");
  CHECK(error.hint() == "write one name per line, for example \"punkt\" or \"stopwords\"");
}
