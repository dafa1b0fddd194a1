#include "builder/app/apt_files.hpp"

#include "base/text.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;
using Names = std::vector<std::string>;

namespace {

std::string shown(const std::vector<TextLine>& lines) {
  std::string out;
  for (const auto& line : lines) out += std::to_string(line.number) + "[" + line.text + "]";
  return out;
}

const std::string kDeb = "!<arch>\ndebian-binary";

}  // namespace

TEST_CASE("apt-packages holds words", "[apt]") {
  struct Case {
    const char* text;
    const char* words;
  };
  const auto c = GENERATE(values<Case>({
      {"", ""},
      {"libpq-dev", "1[libpq-dev]"},
      {"\xEF\xBB\xBFlibpq-dev gcc  \r\n\r\n# why\r\nunixodbc # for odbc\r\n\r\n",
       "1[libpq-dev]1[gcc]4[unixodbc]"},
      {"gcc\ngcc\n", "1[gcc]2[gcc]"},
      {"libc6=2.36-9+deb12u9 libfoo:amd64=1:2.0~rc1-1 gcc/bookworm\n",
       "1[libc6=2.36-9+deb12u9]1[libfoo:amd64=1:2.0~rc1-1]1[gcc/bookworm]"},
      {"openjdk-8* ^python3 g++\n", "1[openjdk-8*]1[^python3]1[g++]"},
      {"vim- nano+", "1[vim-]1[nano+]"},
  }));
  CAPTURE(c.text);
  CHECK(shown(parse_apt_packages(c.text)) == c.words);
}

TEST_CASE("words that no package has", "[apt]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"gcc\n-oAPT::X=1",
       "apt-packages:2: '-oAPT::X=1' looks like an option, but only package names can stand here | settings "
       "go to the file apt-conf, for example: APT::Install-Recommends \"false\";"},
      {"--no-install-recommends gcc",
       "apt-packages:1: '--no-install-recommends' looks like an option, but only package names can stand "
       "here | settings go to the file apt-conf, for example: APT::Install-Recommends \"false\";"},
      {"./x.deb",
       "apt-packages:1: './x.deb' is a file, but only package names can stand here | put .deb files into the "
       "directory dpkg-packages/"},
      {"https://u:p@h.example/x",
       "apt-packages:1: 'https://***@h.example/x' is a URL, but only package names can stand here | put .deb "
       "files into the directory dpkg-packages/; package sources go to apt-repositories"},
      {"gcc, make",
       "apt-packages:1: 'gcc,' ends with a separator | separate packages by blanks or put each on a line of "
       "its own"},
      {"gcc>=12",
       "apt-packages:1: 'gcc>=12' holds '>=', which apt doesn't know | name one version, as in "
       "\"gcc=1.2.3-1\", or none"},
      {"gcc==12",
       "apt-packages:1: 'gcc==12' holds '==', which apt doesn't know | name one version, as in "
       "\"gcc=1.2.3-1\", or none"},
      {"libPQ-dev",
       "apt-packages:1: 'libPQ-dev' has upper-case letters, which no package name has | did you mean "
       "'libpq-dev'?"},
      {"$(reboot)",
       "apt-packages:1: '$(reboot)' is not a package name | write names as \"apt-cache search\" shows them, "
       "for example \"libpq-dev\""},
      {"gcc=",
       "apt-packages:1: 'gcc=' is not a package name | write names as \"apt-cache search\" shows them, for "
       "example \"libpq-dev\""},
      {"=======",
       "apt-packages:1: '=======' was left by a merge conflict | resolve the conflict and remove the "
       "markers"},
  }));
  CAPTURE(c.text);
  CHECK(error_of([&] { parse_apt_packages(c.text); }) == "invalid_input: " + std::string(c.error));
}

TEST_CASE("apt-keys, apt-repositories and apt-debconf hold lines, the last one too", "[apt]") {
  CHECK(shown(parse_apt_keys("# key\r\n https://a.example/k.asc \r\n\r\nHTTP://b.example/k#x # why")) ==
        "2[https://a.example/k.asc]4[HTTP://b.example/k#x]");
  CHECK(shown(parse_apt_repositories(
            "\xEF\xBB\xBF"
            "ppa:deadsnakes/ppa\r\n\n#x\ndeb [signed-by=/k] https://a.example/d s main")) ==
        "1[ppa:deadsnakes/ppa]4[deb [signed-by=/k] https://a.example/d s main]");
  CHECK(shown(parse_apt_debconf("# c\na a/b password x #y\r\nb b/c boolean true")) ==
        "2[a a/b password x #y]3[b b/c boolean true]");
}

TEST_CASE("bad lines of the other apt files; secrets are not shown", "[apt]") {
  CHECK(error_of([] { parse_apt_keys("ftp://u:secret@a.example/k"); }) ==
        "invalid_input: apt-keys:1: 'ftp://***@a.example/k' is not an http or https URL | write one URL of a "
        "key per line, "
        "for example \"https://packages.example/key.asc\"");
  CHECK(error_of([] { parse_apt_keys("\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n"); }) ==
        "invalid_input: apt-keys:2: a key itself, where its URL is expected | write one URL of a key per "
        "line, for example "
        "\"https://packages.example/key.asc\"");
  CHECK(error_of([] { parse_apt_repositories("deb https://u:secret@a.example/d"); }) ==
        "invalid_input: apt-repositories:1: 'deb https://***@a.example/d' lacks the URL or the suite of a "
        "source | write one "
        "source per line, for example \"deb https://packages.example/debian bookworm main\"");
  CHECK(error_of([] { parse_apt_repositories("--remove x"); }) ==
        "invalid_input: apt-repositories:1: '--remove x' looks like an option | write one source per line, "
        "for example \"deb "
        "https://packages.example/debian bookworm main\"");
  CHECK(error_of([] { parse_apt_debconf("a b c d\nsecret word\n"); }) ==
        "invalid_input: apt-debconf:2: fewer than three words (the line may hold a secret and is not shown) "
        "| a line reads "
        "PACKAGE QUESTION TYPE VALUE, for example \"tzdata tzdata/Areas select Europe\"");
}

TEST_CASE("an app without apt files", "[apt]") {
  testing::TempApp app;
  const auto files = read_apt_files(app.open());
  CHECK(files.empty());
  CHECK(files.warnings.empty());
}

TEST_CASE("all apt files are read, texts with normal line ends", "[apt]") {
  testing::TempApp app;
  app.file("apt-conf", "APT::X \"1\";\r\n")
      .file("apt-env",
            "\xEF\xBB\xBF"
            "export ACCEPT_EULA=y");
  app.file("apt-keys", "https://a.example/k").file("apt-preferences", "Package: *\r\nPin: x\r\n");
  app.file("apt-sources-list", "").file("apt-repositories", "universe").file("apt-debconf", "a a/b string x");
  app.file("apt-packages", "gcc\r\n").file("dpkg-packages/b.deb", kDeb).file("dpkg-packages/a/z.deb", kDeb);
  app.file("dpkg-packages/README", "x").file("dpkg-package/c.deb", kDeb);
  const auto files = read_apt_files(app.open());
  CHECK(files.conf == "APT::X \"1\";\n");
  CHECK(files.env == "export ACCEPT_EULA=y\n");
  CHECK(files.preferences == "Package: *\nPin: x\n");
  CHECK(files.sources_list == "");
  CHECK(shown(files.repositories) == "1[universe]");
  CHECK(shown(files.packages) == "1[gcc]");
  CHECK(files.debs == Names{"dpkg-packages/a/z.deb", "dpkg-packages/b.deb"});
  CHECK(files.present == Names{"apt-conf", "apt-env", "apt-keys", "apt-preferences", "apt-sources-list",
                               "apt-repositories", "apt-debconf", "apt-packages"});
  CHECK(files.warnings == Names{"dpkg-package/ is not used, because there is dpkg-packages/"});
  CHECK_FALSE(files.empty());
}

TEST_CASE("apt leaves change with what counts, not with line ends", "[apt]") {
  ThreadPool pool(2);
  const auto leaves = [&](std::string_view packages, std::string_view deb) {
    testing::TempApp app;
    app.file("apt-packages", packages).file("dpkg-packages/x.deb", kDeb + std::string(deb));
    const auto opened = app.open();
    return apt_leaves(opened, read_apt_files(opened), pool);
  };
  const auto before = leaves("gcc\nmake\n", "1");
  REQUIRE(before.size() == 2);
  CHECK(before[0].name == "apt-packages");
  CHECK(before[1].name == "dpkg-packages/x.deb");
  CHECK(leaves("gcc\r\nmake", "1") == before);
  CHECK(leaves("# tools\n\n gcc  # C\n\tmake\n", "1") == before);
  CHECK(leaves("gcc make", "1") == before);
  CHECK(before[0].lines == Names{"gcc", "make"});
  CHECK(leaves("gcc\n", "1")[0] != before[0]);
  CHECK(leaves("gcc\nmake\n", "2")[1] != before[1]);
}

TEST_CASE("lines of apt leaves have no secrets", "[apt]") {
  testing::TempApp app;
  app.file("apt-repositories", "deb https://me:pw@h.example/debian bookworm main\n")
      .file("apt-debconf", "a a/b password secret\n")
      .file("apt-conf", "x \"secret\";\n");
  ThreadPool pool(2);
  const auto opened = app.open();
  const auto leaves = apt_leaves(opened, read_apt_files(opened), pool);
  REQUIRE(leaves.size() == 3);
  CHECK_FALSE(leaves[0].lines);
  CHECK(leaves[1].lines == Names{"deb https://***@h.example/debian bookworm main"});
  CHECK_FALSE(leaves[2].lines);
}

TEST_CASE("misspelt, empty and damaged dpkg-packages", "[apt]") {
  for (const char* name : {"dkpg-package", "dkpg-packages", "dpkg-package"}) {
    testing::TempApp app;
    app.file(std::string(name) + "/a.deb", kDeb);
    const auto files = read_apt_files(app.open());
    CHECK(files.debs == Names{std::string(name) + "/a.deb"});
    CHECK(files.warnings == Names{std::string(name) + "/ is used, but the right name is dpkg-packages/"});
  }
  testing::TempApp empty;
  empty.file("dpkg-packages/.gitkeep", "");
  CHECK(read_apt_files(empty.open()).empty());
  CHECK(read_apt_files(empty.open()).warnings ==
        Names{"dpkg-packages/ holds no .deb file: nothing is installed from it"});
  testing::TempApp file;
  file.file("dkpg-package", "gcc");
  CHECK(error_of([&] { read_apt_files(file.open()); }) ==
        "invalid_input: dkpg-package is a file, but must be a directory of .deb files | put the .deb files "
        "into a directory "
        "dpkg-packages/; names of packages go to the file apt-packages");
  testing::TempApp lfs;
  lfs.file("dpkg-packages/a.deb", "version https://x.example/spec/v1\n");
  CHECK(error_of([&] { read_apt_files(lfs.open()); }) ==
        "invalid_input: dpkg-packages/a.deb is not a Debian package | it is a git-lfs pointer: fetch the "
        "real file with "
        "\"git lfs pull\"");
  lfs.file("dpkg-packages/a.deb", "");
  CHECK(
      error_of([&] { read_apt_files(lfs.open()); }) ==
      "invalid_input: dpkg-packages/a.deb is not a Debian package | replace it by the package, or remove it");
}
