#include "builder/app/requirements.hpp"

#include "base/text.hpp"
#include "builder/app/requirements_syntax.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;
using namespace std::string_view_literals;
using Names = std::vector<std::string>;

namespace {

std::string shown(const RequirementsText& text) {
  static constexpr const char* kKinds[] = {
      "package",         "url",      "vcs",        "path",         "include", "constraint", "index-url",
      "extra-index-url", "no-index", "find-links", "trusted-host", "hash",    "binary",     "pre",
      "require-hashes",  "unused"};
  std::string out;
  for (const auto& entry : text.entries) {
    if (!out.empty()) out += " ";
    out += concat(entry.line, entry.mode == RequirementsEntry::Mode::editable ? ":editable-" : ":",
                  kKinds[static_cast<int>(entry.kind)], "[", entry.value, "]");
  }
  return out;
}

std::string shown(const std::vector<RequestedPackage>& packages) {
  std::string out;
  for (const auto& package : packages) {
    out += concat(package.name, " ", package.place, "; ");
  }
  return out;
}

// "PLACE TEXT", "(…)" for constraints, "==" for exact pins, hashes in short.
std::string shown(const std::vector<RequirementLine>& lines) {
  std::string out;
  for (const auto& line : lines) {
    const bool limit = line.role == RequirementLine::Role::constrain;
    out += concat(limit ? "(" : "", line.place, " ", line.text, limit ? ")" : "",
                  line.pin == RequirementLine::Pin::exact ? " ==" : "");
    for (const auto& hash : line.hashes) out += concat(" ", hash.algorithm, ":", hash.hex.substr(0, 4));
    out += "\n";
  }
  return out;
}

std::string shown(const std::vector<LocalSource>& sources) {
  std::string out;
  for (const auto& source : sources)
    out += concat(source.path, source.kind == FileKind::directory ? "/" : "",
                  source.use == LocalSource::Use::editable     ? " -e"
                  : source.use == LocalSource::Use::find_links ? " -f"
                                                               : "",
                  " ", source.place, "; ");
  return out;
}

}  // namespace

TEST_CASE("lines of a requirements file", "[requirements]") {
  struct Case {
    const char* text;
    const char* entries;
  };
  const auto c = GENERATE(values<Case>({
      {"", ""},
      {"dash==3.2.0", "1:package[dash]"},
      {"\xEF\xBB\xBF"
       "Flask_Login >= 0.6, < 1  # auth\r\n\r\n# c\r\nzope.interface\r\n",
       "1:package[flask-login] 4:package[zope-interface]"},
      {"celery[redis,auth]==5.4.0 ; python_version >= \"3.8\"", "1:package[celery]"},
      {"a (>=1.0,<2)\nb~=1.4.2\nc!=1.*\nd===weird\ne==${E_VERSION}\nf;extra=='x'",
       "1:package[a] 2:package[b] 3:package[c] 4:package[d] 5:package[e] 6:package[f]"},
      {"a==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nb",
       "1:package[a] 1:hash[sha256:aa] 1:hash[sha256:bb] 4:package[b]"},
      {"a==1 \\\n# comment \\\nb", "1:package[a] 3:package[b]"},
      {"a==\\", "no"},
      {"--no-index --find-links=./dependencies", "1:no-index[] 1:find-links[./dependencies]"},
      {"-i https://u:p@i.example/simple\n--extra-index-url=https://e.example/s\n--trusted-host "
       "e.example\n--pre\n--no-binary :all:",
       "1:index-url[https://u:p@i.example/simple] 2:extra-index-url[https://e.example/s] "
       "3:trusted-host[e.example] 4:pre[] 5:binary[--no-binary :all:]"},
      {"-r base.txt\n-rbase.txt\n--requirement=base.txt\n-c 'my constraints.txt'",
       "1:include[base.txt] 2:include[base.txt] 3:include[base.txt] 4:constraint[my constraints.txt]"},
      {"-e .\n-e ./pkg[dev]\n--editable=git+https://g.example/r.git@v1#egg=r\n-e \"./p q\"",
       "1:editable-path[.] 2:editable-path[./pkg] 3:editable-vcs[git+https://g.example/r.git@v1#egg=r] "
       "4:editable-path[./p q]"},
      {"./x.whl\nwheels/x-1.0-py3-none-any.whl\nmyPackage.tar.gz\n./pkg/\n.\nfile:./y.zip\n./z[extra]; "
       "python_version>'3'",
       "1:path[./x.whl] 2:path[wheels/x-1.0-py3-none-any.whl] 3:path[myPackage.tar.gz] 4:path[./pkg/] "
       "5:path[.] 6:path[file:./y.zip] 7:path[./z]"},
      {"git+https://g.example/r.git\nhttps://f.example/x.whl#sha256=aa\nn @ https://f.example/n.whl ; "
       "python_version>'3'\nm[x]@git+ssh://git@g.example/m\nl @ ./libs/l",
       "1:vcs[git+https://g.example/r.git] 2:url[https://f.example/x.whl#sha256=aa] "
       "3:url[https://f.example/n.whl] 4:vcs[git+ssh://git@g.example/m] 5:path[./libs/l]"},
  }));
  CAPTURE(c.text);
  if (std::string(c.entries) == "no") {
    CHECK(error_of([&] { parse_requirements(c.text, "r.txt"); }) ==
          "invalid_input: r.txt:1: 'a==': no version after '==' | write one requirement per line, for "
          "example \"dash==3.2.0\"");
    return;
  }
  CHECK(shown(parse_requirements(c.text, "r.txt")) == c.entries);
}

TEST_CASE("lines that no installer accepts", "[requirements]") {
  const std::string example = " | write one requirement per line, for example \"dash==3.2.0\"";
  struct Case {
    const char* text;
    const char* error;
    const char* hint;  // null: the example
  };
  const auto c = GENERATE(values<Case>({
      {"a\nsix=1.15.0", "r.txt:2: 'six=1.15.0' is how conda writes it: pip needs two '='",
       "did you mean \"six==1.15.0\"? Lists made by \"conda list --export\" belong into "
       "conda-requirements.txt"},
      {"six=1.15.0=py_0", "r.txt:1: 'six=1.15.0=py_0' is how conda writes it: pip needs two '='",
       "did you mean \"six==1.15.0\"? Lists made by \"conda list --export\" belong into "
       "conda-requirements.txt"},
      {"a=>1", "r.txt:1: 'a=>1': '=>' is not an operator", "did you mean '>='?"},
      {"a=<1", "r.txt:1: 'a=<1': '=<' is not an operator", "did you mean '<='?"},
      {"numpy 1.26", "r.txt:1: 'numpy 1.26': '1.26' can't follow the name 'numpy'", nullptr},
      {"a==1 b==2", "r.txt:1: 'a==1 b==2': more than one requirement on the line", nullptr},
      {"a==1/2", "r.txt:1: 'a==1/2': '1/2' is not a version", nullptr},
      {"a[b", "r.txt:1: 'a[b': the '[' is never closed", "for example \"celery[redis]==5.4.0\""},
      {"a @", "r.txt:1: 'a @': no URL after '@'",
       "for example \"mypackage @ https://files.example/mypackage.whl\""},
      {"!x", "r.txt:1: '!x' is not a requirement", nullptr},
      {"pip install dash", "r.txt:1: 'pip install dash' is a command, not a requirement", nullptr},
      {"<<<<<<< HEAD", "r.txt:1: '<<<<<<< HEAD' was left by a merge conflict",
       "resolve the conflict and remove the markers"},
      {"--user", "r.txt:1: '--user': '--user' is not an option of requirements files",
       "remove it; possible are -r, -c, -e, --index-url, --extra-index-url, --no-index, --find-links, "
       "--trusted-host, --no-binary, --only-binary, --prefer-binary, --pre, --require-hashes and --hash"},
      {"a --global-option=x", "r.txt:1: 'a --global-option=x': --global-option is not supported",
       "use --config-settings, or remove the option"},
      {"-r", "r.txt:1: '-r': --requirement lacks its value", "name a file, for example \"-r base.txt\""},
      {"-e", "r.txt:1: '-e': --editable lacks its value", "name a directory, for example \"-e .\""},
      {"--pre=yes", "r.txt:1: '--pre=yes': --pre takes no value", "remove the value"},
      {"-r a.txt b.txt", "r.txt:1: '-r a.txt b.txt': unexpected 'b.txt'",
       "put each requirement and each option on a line of its own"},
      {"a==1 -r b.txt", "r.txt:1: 'a==1 -r b.txt': --requirement can't follow a requirement",
       "put it on a line of its own"},
      {"a\n--hash=sha256:aa", "r.txt:2: '--hash=sha256:aa': --hash without a requirement",
       "put it on the requirement's line, or end that line with a \\ to continue it"},
      {"-e flask", "r.txt:1: '-e flask': only a directory or a version control URL can be editable",
       "name the directory, for example \"-e ./mypackage\" or \"-e .\", or drop the -e"},
      {"-r 'x", "r.txt:1: '-r 'x': a quote is never closed", "close the quote or remove it"},
      {"--user https://u:secret@h.example/s",
       "r.txt:1: '--user https://***@h.example/s': '--user' is not an option of requirements files",
       "remove it; possible are -r, -c, -e, --index-url, --extra-index-url, --no-index, --find-links, "
       "--trusted-host, --no-binary, --only-binary, --prefer-binary, --pre, --require-hashes and --hash"},
      {"a\nb # \xE9\n", "r.txt:2: the line is not UTF-8 text", "save the file as UTF-8 text"},
  }));
  CAPTURE(c.text);
  CHECK(error_of([&] { parse_requirements(c.text, "r.txt"); }) ==
        "invalid_input: " + std::string(c.error) +
            (c.hint != nullptr ? " | " + std::string(c.hint) : example));
}

TEST_CASE("variables are noticed", "[requirements]") {
  const auto text = parse_requirements(
      "--extra-index-url https://${USER}:${PASS_1}@h.example/\na==${USER}\nb==${lower}${}\n", "r.txt");
  CHECK(text.variables == Names{"PASS_1", "USER"});
}

TEST_CASE("a requirements file and what it reaches", "[requirements]") {
  testing::TempApp app;
  app.file("requirements.txt",
           "-r requirements/base.txt\n-c limits.txt\n./pkg/\n-e .\n./wheels/x.whl\nDash\n--extra-index-url "
           "https://e.example/s\n");
  app.file("requirements/base.txt",
           "-r common.txt\n./pkg\n--find-links links\ngit+https://g.example/r.git\n");
  app.file("requirements/common.txt", std::string_view("\xFF\xFEp\0a\0n\0d\0a\0s\0\r\0\n\0", 18));
  app.file("limits.txt", "numpy<2\n-r requirements/common.txt\n");
  app.file("pkg/setup.py", "")
      .file("pyproject.toml", "")
      .file("wheels/x.whl", "x")
      .file("requirements/links/y.whl", "y");
  const auto opened = app.open();
  const auto files = collect_requirements(opened, "requirements.txt");
  Names paths;
  for (const auto& file : files.files) paths.push_back(file.path);
  CHECK(paths == Names{"requirements.txt", "requirements/base.txt", "requirements/common.txt", "limits.txt"});
  CHECK(shown(files.local) ==
        "./ -e requirements.txt:4; pkg/ requirements.txt:3; pkg/ requirements/base.txt:2; "
        "requirements/links/ -f "
        "requirements/base.txt:3; wheels/x.whl requirements.txt:5; ");
  CHECK(shown(files.packages) == "dash requirements.txt:6; pandas requirements/common.txt:1; ");
  CHECK(files.vcs_places == Names{"requirements/base.txt:4"});
  CHECK(files.index.extra_index_urls == Names{"https://e.example/s"});

  ThreadPool pool(2);
  const auto leaves = requirements_leaves(opened, files, IgnoreRules(), pool);
  Names names;
  for (const auto& leaf : leaves) names.push_back(leaf.name);
  CHECK(names == Names{"requirements.txt", "requirements/base.txt", "requirements/common.txt", "limits.txt",
                       "./", "pkg/", "requirements/links/", "wheels/x.whl"});
  app.file("pkg/setup.py", "changed");
  const auto after =
      requirements_leaves(opened, collect_requirements(opened, "requirements.txt"), IgnoreRules(), pool);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    CAPTURE(leaves[i].name);
    CHECK((leaves[i] == after[i]) == (leaves[i].name != "./" && leaves[i].name != "pkg/"));
  }
}

TEST_CASE("leaves are the lines that count", "[requirements]") {
  ThreadPool pool(2);
  const auto leaf = [&](std::string_view text) {
    testing::TempApp app;
    app.file("requirements.txt", text);
    const auto opened = app.open();
    return requirements_leaves(opened, collect_requirements(opened, "requirements.txt"), IgnoreRules(), pool)
        .at(0);
  };
  const auto before = leaf("dash==3.0\n--index-url https://u:p@h.example/s\npandas\n");
  CHECK(before.lines == Names{"dash==3.0", "--index-url https://***@h.example/s", "pandas"});
  CHECK(leaf("# a\n\n  dash==3.0 # b\r\n--index-url \\\nhttps://u:p@h.example/s\n\npandas") == before);
  CHECK(leaf("\xFF\xFE#\0\n\0"sv) == leaf(""));
  const auto other = leaf("dash==3.0\n--index-url https://u:q@h.example/s\npandas\n");
  CHECK(other.lines == before.lines);
  CHECK(other.digest != before.digest);
  CHECK(leaf("pandas\n--index-url https://u:p@h.example/s\ndash==3.0\n").digest != before.digest);
}

TEST_CASE("names that are asked for, with the files that may be installed", "[requirements]") {
  const std::string a(64, 'a'), b(64, 'B');
  testing::TempApp app;
  app.file("pin.txt", "numpy<2\r\n");
  app.file("sub/more.txt", "-c ../pin.txt\nsix\n").file("local/setup.py", "");
  app.file(
      "requirements.txt",
      concat("\xEF\xBB\xBF# comment\r\n--no-index\n-r sub/more.txt\n-f ./local\n"
             "Dash_Table >= 2 ; x  # c\na==1 \\\n  --hash=sha256:",
             a, " \\\n --hash=sha512:", a, b,
             "\n-e ./local\nb @ https://files.example/b.zip --config-settings=x --hash sha256:", a,
             "\ngit+https://git.example/c#egg=C_c[x]&subdirectory=s\n-e git+https://git.example/e#egg=e\n"
             "git+https://git.example/no-name\nl @ ./local\nd[extra]~=1.0\n"
             "A==2 ; python_version>'3' --hash=sha256:",
             b));
  const auto files = collect_requirements(app.open(), "requirements.txt");
  CHECK(shown(files.packages) ==
        "a requirements.txt:6; b requirements.txt:10; c-c requirements.txt:11; d requirements.txt:15; "
        "dash-table requirements.txt:5; e requirements.txt:12; l requirements.txt:14; six sub/more.txt:2; ");
  CHECK(files.vcs_places == Names{"requirements.txt:11", "requirements.txt:12", "requirements.txt:13"});
  CHECK(files.hashes_place == "requirements.txt:6");
  CHECK(files.warnings == Names{"requirements.txt:10: --config-settings has no effect here"});
  CHECK(shown(files.lines) ==
        "(pin.txt:1 numpy<2)\nsub/more.txt:2 six\nrequirements.txt:5 Dash_Table >= 2 ; x\n"
        "requirements.txt:6 a==1 == sha256:aaaa sha512:aaaa\nrequirements.txt:9 file:///app/local\n"
        "requirements.txt:10 b @ https://files.example/b.zip sha256:aaaa\n"
        "requirements.txt:11 git+https://git.example/c#egg=C_c[x]&subdirectory=s\n"
        "requirements.txt:12 git+https://git.example/e#egg=e\nrequirements.txt:13 "
        "git+https://git.example/no-name\n"
        "requirements.txt:14 l @ file:///app/local\nrequirements.txt:15 d[extra]~=1.0\n"
        "requirements.txt:16 A==2 ; python_version>'3' == sha256:bbbb\n");
}

TEST_CASE("lines as uv gets them", "[requirements]") {
  testing::TempApp app;
  app.file("requirements.txt",
           "-e \"./my pkg[dev]\" ; python_version > '3'\n./w/x-1.whl[a,b]\nn[x] @ "
           "w/x-1.whl\n./s.zip#subdirectory=d\n"
           "--no-binary lxml,numpy\n--only-binary :all:\n--pre\n--extra-index-url https://e.example\n"
           "-i https://i.example\n--prefer-binary\na==1,<2\nb===1\nc!=1\n");
  app.file("my pkg/setup.py", "").file("w/x-1.whl", "").file("s.zip", "");
  const auto files = collect_requirements(app.open(), "requirements.txt");
  CHECK(shown(files.lines) ==
        "requirements.txt:1 file:///app/my%20pkg[dev] ; python_version > '3'\n"
        "requirements.txt:2 file:///app/w/x-1.whl[a,b]\nrequirements.txt:3 n[x] @ file:///app/w/x-1.whl\n"
        "requirements.txt:4 file:///app/s.zip#subdirectory=d\nrequirements.txt:11 a==1,<2\n"
        "requirements.txt:12 b===1 ==\nrequirements.txt:13 c!=1\n");
  CHECK(files.binary_options == Names{"--no-binary lxml,numpy", "--only-binary :all:"});
  CHECK(files.pre_releases == RequirementsFiles::PreReleases::yes);
  CHECK(files.index.index_url == "https://i.example");
  CHECK(files.index.extra_index_urls.empty());
  CHECK(files.warnings ==
        Names{"requirements.txt:9: --index-url replaces the --extra-index-url lines before it, as "
              "in pip; put it first to use both",
              "requirements.txt:10: --prefer-binary has no effect here"});
}

TEST_CASE("hashes and repositories that cannot be used", "[requirements]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"a==1 --hash=md5:0cc175b9c0f1b6a831c399e269772661",
       "invalid_input: requirements.txt:1: --hash=md5:0cc175b9c0f1b6a831c399e269772661 is no SHA-256, "
       "SHA-384 or "
       "SHA-512 | such a hash has 64, 96 or 128 hex digits, for example as \"pip hash FILE\" prints it"},
      {"a==1 --hash=sha256:abc",
       "invalid_input: requirements.txt:1: --hash=sha256:abc is no SHA-256, SHA-384 or SHA-512 | such a hash "
       "has 64, "
       "96 or 128 hex digits, for example as \"pip hash FILE\" prints it"},
      {"hg+https://h.example/r#egg=r",
       "unsupported: requirements.txt:1: 'hg+https://h.example/r#egg=r': only git repositories can be used | "
       "name a git "
       "repository, an archive's URL, or a release on a package index"},
      {"r @ git+file:///no/such/place@v1",
       "invalid_input: requirements.txt:1: there is no git repository at '/no/such/place' on this machine | "
       "name the "
       "repository by its absolute path, for example git+file:///srv/git/project.git"},
  }));
  CAPTURE(c.text);
  testing::TempApp app;
  app.file("requirements.txt", c.text);
  CHECK(error_of([&] { collect_requirements(app.open(), "requirements.txt"); }) == c.error);
}

TEST_CASE("what requirements files can't reach", "[requirements]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const std::string outside =
      " | copy it into the app and name it by a relative path, for example \"./wheels/mypackage.whl\"";
  const auto c = GENERATE(values<Case>({
      {"-r ../x.txt", "requirements.txt:1: '../x.txt' is outside of the app directory"},
      {"-r /etc/passwd", "requirements.txt:1: '/etc/passwd' is outside of the app directory"},
      {"-r sub/b.txt", "sub/b.txt:1: '/etc/hosts' is outside of the app directory"},
      {"a\n../x.whl", "requirements.txt:2: '../x.whl' is outside of the app directory"},
      {"file:///srv/x.whl", "requirements.txt:1: 'file:///srv/x.whl' is outside of the app directory"},
      {"~/x.whl", "requirements.txt:1: '~/x.whl' is outside of the app directory"},
      {"C:\\wheels\\x.whl", "requirements.txt:1: 'C:\\wheels\\x.whl' is outside of the app directory"},
      {"--find-links /srv/wheels", "requirements.txt:1: '/srv/wheels' is outside of the app directory"},
      {"./escape/x.whl", "requirements.txt:1: './escape/x.whl' is outside of the app directory"},
  }));
  CAPTURE(c.text);
  testing::TempApp app;
  app.file("requirements.txt", c.text).file("sub/b.txt", "-c /etc/hosts").link("escape", "/etc");
  CHECK(error_of([&] { collect_requirements(app.open(), "requirements.txt"); }) ==
        "invalid_input: " + std::string(c.error) + outside);
}

TEST_CASE("missing files, cycles and directories that are no package", "[requirements]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"a\n-r base.txt",
       "requirements.txt:2: there is no file 'base.txt' to include | the path is relative to the directory "
       "of requirements.txt; add the file or correct the line"},
      {"-r requirements.txt",
       "requirements.txt:1: an endless inclusion: requirements.txt includes requirements.txt | remove one of "
       "the -r or -c lines"},
      {"-r sub/loop.txt",
       "sub/loop.txt:2: an endless inclusion: requirements.txt includes sub/loop.txt includes "
       "requirements.txt | remove one of the -r or -c lines"},
      {"-r https://u:p@h.example/r.txt",
       "requirements.txt:1: a requirements file can't be included from 'https://***@h.example/r.txt' | copy "
       "the file into the app and include it by its path"},
      {"./x.whl",
       "requirements.txt:1: there is no 'x.whl' in the app | add the file or directory to the app, or "
       "correct the path (it is relative to the app's root)"},
      {"-r sub/local.txt",
       "sub/local.txt:1: there is no 'y.whl' in the app | local paths are relative to the app's root: write "
       "\"./sub/y.whl\""},
      {"-e ./sub",
       "requirements.txt:1: the directory 'sub' is no package: it has neither pyproject.toml nor setup.py | "
       "name the directory that has one, or remove the line: the app's own modules need no requirement"},
      {"-e ./sub/y.whl",
       "requirements.txt:1: 'sub/y.whl' is a file: only directories can be editable | drop the -e"},
      {"--find-links=./links",
       "requirements.txt:1: there is no directory 'links' for --find-links | add the directory with the "
       "packages to the app, or correct the path"},
      {"${WHEELS}/x.whl",
       "requirements.txt:1: the variable WHEELS in the path '${WHEELS}/x.whl' is not set | set WHEELS for "
       "the build, or write the path itself"},
  }));
  CAPTURE(c.text);
  testing::TempApp app;
  app.file("requirements.txt", c.text).file("sub/loop.txt", "\n-r ../requirements.txt").file("sub/y.whl", "");
  app.file("sub/local.txt", "./y.whl");
  CHECK(error_of([&] { collect_requirements(app.open(), "requirements.txt"); }) ==
        "invalid_input: " + std::string(c.error));
}

TEST_CASE("variables in local paths, and a missing root file", "[requirements]") {
  testing::TempApp app;
  CHECK(app.neutral(error_of([&] { collect_requirements(app.open(), "requirements.txt"); })) ==
        "invalid_input: there is no requirements.txt in APP | add the file, with the app's packages, one per "
        "line");
  app.file("requirements.txt", "./${WHEELS}/x.whl\n").file("w/x.whl", "");
  CHECK(shown(collect_requirements(app.open(), "requirements.txt", {{"WHEELS", "w"}}).local) ==
        "w/x.whl requirements.txt:1; ");
}
