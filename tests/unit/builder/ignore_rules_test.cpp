#include "builder/app/ignore_rules.hpp"

#include "base/text.hpp"
#include "builder/app/glob.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;

namespace {

// The verdict on a path, its directories judged on the way.
bool ignored(const IgnoreRules& rules, std::string_view path) {
  const auto type = path.ends_with('/') ? EntryType::directory : EntryType::file;
  if (path.ends_with('/')) path.remove_suffix(1);
  auto verdict = rules.root();
  for (auto at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1))
    verdict = rules.judge(verdict, path.substr(0, at), EntryType::directory);
  return rules.judge(verdict, path, type).ignored();
}

struct Case {
  const char* rules;
  const char* ignored;  // paths separated by blanks; a directory ends with "/"
  const char* kept;
};

void check(const IgnoreRules& rules, const Case& c) {
  for (const auto path : split_words(c.ignored)) {
    CAPTURE(c.rules, path);
    CHECK(ignored(rules, path));
  }
  for (const auto path : split_words(c.kept)) {
    CAPTURE(c.rules, path);
    CHECK_FALSE(ignored(rules, path));
  }
}

}  // namespace

TEST_CASE(".slugignore", "[ignore]") {
  check(IgnoreRules::parse(GENERATE("*.psd\n", "\xEF\xBB\xBF*.psd\r\n", "# c\n\n  *.psd  "), ""),
        {"*.psd", "a.psd x/y/a.psd .psd", "a.psd.txt psd"});
  const auto c = GENERATE(values<Case>({
      {"/test", "test test/ test/x", "src/test"},
      {"test", "test src/test src/test/x", "tests atest"},
      {"doc/", "doc/ doc/x src/doc/", "doc src/doc"},
      {"data/*.csv", "data/a.csv", "data/x/a.csv src/data/a.csv a.csv"},
      {"data/**/*.csv", "data/a.csv data/x/y/a.csv", "src/data/a.csv"},
      {"**/tmp", "tmp a/tmp a/b/tmp/x", "tmps"},
      {"logs/**", "logs/a logs/a/b", "logs/ logs"},
      {"a?c", "abc x/a.c", "ac abbc a/c"},
      {"[a-c]x", "ax bx", "dx -x"},
      {"[!a]x", "bx", "ax"},
      {"\\#x", "#x", "x"},
      {"caf\xC3\xA9?", "caf\xC3\xA9\xC3\xA9", "caf\xC3\xA9"},
      {"/", "", "a"},
  }));
  check(IgnoreRules::parse(c.rules, ""), c);
}

TEST_CASE(".slugignore knows no negation and says so", "[ignore]") {
  const auto rules = IgnoreRules::parse("*.csv\n!data.csv\n", "");
  CHECK(ignored(rules, "data.csv"));
  CHECK(rules.warnings() ==
        std::vector<std::string>{
            ".slugignore:2: '!data.csv' has no effect: this file knows no exceptions (.dockerignore does)"});
}

TEST_CASE(".dockerignore", "[ignore]") {
  const auto c = GENERATE(values<Case>({
      {"*.psd", "a.psd", "x/a.psd a.psd.txt"},
      {"\xEF\xBB\xBF"
       "a.txt\r\nb.txt",
       "a.txt b.txt a.txt/x", "c.txt"},
      {"# c\n\n   a  \n", "a a/b", "c x/a"},
      {" # not a comment", "", "x"},
      {"/a", "a a/b", "x/a"},
      {"a/", "a a/ a/b", "x/a"},
      {"./a/../b//c", "b/c b/c/d", "a b b/d"},
      {"*/temp*", "x/temp x/temporary.txt", "temp x/y/temp"},
      {"*/*/temp*", "x/y/temp", "x/temp"},
      {"temp?", "tempa tempb", "temp tempab temp/"},
      {"**/*.go", "a.go x/a.go x/y/a.go", "a.got"},
      {"**", "a a/b .x", ""},
      {"**foo", "foo afoo x/foo x/afoo", "foox"},
      {"a/**", "a/b a/b/c", "a b"},
      {"a**", "a ab ab/c", "b"},
      {"a/**/b", "a/b a/x/b a/x/y/b", "a/xb ab"},
      {"*.md\n!README.md", "a.md", "README.md"},
      {"!README.md\n*.md", "README.md a.md", "x"},
      {"*.md\n!README*.md\nREADME-secret.md", "a.md README-secret.md", "README.md README-x.md"},
      {"*\n!src\n!app.py", "x data/y", "src/ src/a src/b/c app.py"},
      {"data\n!data/keep", "data/ data/x data/y/z", "data/keep data/keep/x"},
      {"data\n!data/keep\ndata/keep/no", "data/x data/keep/no", "data/keep/yes"},
      {"[a-b]x\n[^c]y", "ax bx ay", "cx cy"},
      {"a\\*b", "a*b", "axb"},
      {"a.b(c)+{d}$", "a.b(c)+{d}$", "axb(c)+{d}$ a.bc"},
      {"../x\n/\n.", "", "x a"},
  }));
  check(IgnoreRules::parse("", c.rules), c);
}

TEST_CASE("bad ignore files", "[ignore]") {
  CHECK(error_of([] { IgnoreRules::parse("", "a\n[x\n"); }) ==
        "invalid_input: .dockerignore:2: the '[' in '[x' is never closed | close the set of characters with "
        "']', or write "
        "'\\[' for the character itself");
  CHECK(error_of([] { IgnoreRules::parse("[x", ""); }) ==
        "invalid_input: .slugignore:1: the '[' in '[x' is never closed | close the set of characters with "
        "']', or write "
        "'\\[' for the character itself");
  CHECK(error_of([] { IgnoreRules::parse("", "! \n"); }) ==
        "invalid_input: .dockerignore:1: '!' without a pattern | write the path that stays in the image "
        "after it, for "
        "example \"!data/cities.csv\"");
}

TEST_CASE("a pattern made to be slow is not", "[ignore]") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "**/*a";
  pattern += 'b';
  const auto glob = Glob::compile(pattern, Glob::Dialect::docker);
  REQUIRE(glob);
  CHECK_FALSE(glob->matches(std::string(4000, 'a')));
}
