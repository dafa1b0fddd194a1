#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/python/install_order.hpp"
#include "builder/python/wheel_facts.hpp"
#include "tests/support/tools.hpp"
#include "tests/support/zip_fixture.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::zip_bytes;
using dash::testing::ZipFixtureEntry;

namespace {

constexpr const char* kInfo = "demo-1.0.dist-info";

// A wheel with METADATA, WHEEL and a right RECORD around some files.
struct Fixture {
  TempDirectory directory = dash::testing::make_temp_directory();
  std::vector<ZipFixtureEntry> entries;
  std::string wheel_file = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n";
  std::string metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\nName: other\n";

  explicit Fixture(std::vector<ZipFixtureEntry> files = {}) : entries(std::move(files)) {}

  fs::path write() {
    std::vector<ZipFixtureEntry> all = entries;
    all.push_back({.path = concat(kInfo, "/METADATA"), .content = metadata});
    all.push_back({.path = concat(kInfo, "/WHEEL"), .content = wheel_file});
    std::vector<RecordRow> record{{concat(kInfo, "/RECORD"), "", ""}};
    for (const ZipFixtureEntry& entry : all)
      record.push_back({entry.path, "sha256=" + to_base64url(sha256(entry.content)),
                        std::to_string(entry.content.size())});
    all.push_back({.path = concat(kInfo, "/RECORD"), .content = format_record(record)});
    const fs::path path = directory.path() / "demo-1.0-py3-none-any.whl";
    write_file_atomic(path, zip_bytes(all));
    return path;
  }
};

InstallScheme scheme() {
  InstallScheme out;
  out.interpreter.version = "3.11.2";
  out.interpreter.cache_tag = "cpython-311";
  out.interpreter.executable = "/usr/bin/python3.11";
  return out;
}

InstalledDistribution plan(Fixture& fixture,
                           InstallOptions options = {scheme(), InstallOptions::Requested::no, ""}) {
  return plan_installation(std::make_shared<const Wheel>(fixture.write()), {}, options);
}

const InstalledFile* find(const InstalledDistribution& distribution, std::string_view path) {
  const auto found = std::ranges::find(distribution.files, path, &InstalledFile::path);
  return found == distribution.files.end() ? nullptr : &*found;
}

std::string text_of(const InstalledFile* file) {
  return std::get<std::string>(file->content);
}

constexpr const char* kPrefix = "app/.heroku/python";
const std::string kSite = concat(kPrefix, "/lib/python3.11/site-packages/");

}  // namespace

TEST_CASE("wheel: RECORD is parsed and written as csv has it") {
  const std::string text = "a.py,sha256=x,1\r\n\"odd,\"\"name\"\".py\",,\nb\n\n";
  const std::vector<RecordRow> rows = parse_record(text, "w");
  CHECK(rows ==
        std::vector<RecordRow>{{"a.py", "sha256=x", "1"}, {"odd,\"name\".py", "", ""}, {"b", "", ""}});
  CHECK(format_record(rows) == "a.py,sha256=x,1\r\nb,,\r\n\"odd,\"\"name\"\".py\",,\r\n");
  CHECK_THROWS_WITH(parse_record(",x,1\n", "w"), "w is not a usable wheel: RECORD has a row without a path");
  // As pip, which gives csv.reader single lines.
  CHECK(parse_record("\"a\nb,\nc", "w") == std::vector<RecordRow>{{"ab,c", "", ""}});
}

TEST_CASE("wheel: entry points") {
  const std::string text =
      "# c\n[console_scripts]\na = pkg.mod:main\nb=pkg:cls.run [extra]\na = pkg:again\n[gui_scripts]\ng = "
      "pkg:g\n";
  const auto console = parse_entry_points(text, "console_scripts", "w");
  REQUIRE(console.size() == 2);
  CHECK(console[0].function == "again");
  CHECK(console[1].module == "pkg");
  CHECK(console[1].function == "cls.run");
  CHECK(parse_entry_points(text, "gui_scripts", "w").size() == 1);
  CHECK_THROWS_WITH(parse_entry_points("[s]\nx\n", "s", "w"), "w: bad entry point 'x': there is no '='");
  // What follows the reference is of no interest to pip either.
  const auto rest = parse_entry_points("[s]\nx = a.b:c.d; import os\ny = a : b\n", "s", "w");
  REQUIRE(rest.size() == 2);
  CHECK(rest[0].module == "a.b");
  CHECK(rest[0].function == "c.d");
  CHECK(rest[1].function.empty());
  for (const std::string value : {"", "-", ":a", "a:b:c", "a:b [x", "a:b x]", "[x]"})
    CHECK_THROWS_WITH(parse_entry_points("[s]\nx = " + value + "\n", "s", "w"),
                      concat("w: bad entry point 'x =", value.empty() ? "" : " ", value,
                             "': the value is no object reference"));
}

TEST_CASE("wheel: what is not a wheel is refused") {
  auto message = [](Fixture& fixture) {
    try {
      const Wheel wheel(fixture.write());
      for (const ZipEntry& entry : wheel.zip().entries()) wheel.read(entry);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("fine");
  };
  const std::string prefix = "demo-1.0-py3-none-any.whl is not a usable wheel: ";
  Fixture good(std::vector<ZipFixtureEntry>{{.path = "demo.py", .content = "x"}});
  CHECK(message(good) == "fine");
  Fixture version;
  version.wheel_file = "Wheel-Version: 2.0\n";
  CHECK(message(version) == prefix + "its Wheel-Version is 2.0; this program knows version 1");
  Fixture no_version;
  no_version.wheel_file = "";
  CHECK(message(no_version) == prefix + "WHEEL has no Wheel-Version");
  Fixture name;
  name.metadata = "Name: other\nVersion: 1\n";
  CHECK(message(name) == prefix + "METADATA does not have the project's name and a version");
  Fixture two(std::vector<ZipFixtureEntry>{{.path = "x-1.dist-info/a", .content = "x"}});
  CHECK(message(two) == prefix + "it has several .dist-info directories: x-1.dist-info, demo-1.0.dist-info");
}

TEST_CASE("wheel: a file that is not the one in RECORD is refused") {
  const TempDirectory directory = dash::testing::make_temp_directory();
  const fs::path path = directory.path() / "demo-1.0-py3-none-any.whl";
  const std::string info(kInfo);
  write_file_atomic(
      path, zip_bytes({{.path = "demo.py", .content = "evil"},
                       {.path = info + "/METADATA", .content = "Name: demo\nVersion: 1.0\n"},
                       {.path = info + "/WHEEL", .content = "Wheel-Version: 1.0\n"},
                       {.path = info + "/RECORD",
                        .content = concat("demo.py,sha256=", to_base64url(sha256("good")), ",4\n")}}));
  const Wheel wheel(path);
  CHECK_THROWS_WITH(
      wheel.read(*wheel.zip().find("demo.py")),
      "demo-1.0-py3-none-any.whl is not a usable wheel: the hash of demo.py is not the one in its RECORD");
}

TEST_CASE("install: schemes, modes, scripts and RECORD") {
  Fixture fixture(
      {{.path = "demo.py", .content = "x = 1\n"},
       {.path = "tool.sh", .content = "#!/bin/sh\n", .mode = 0100755},
       {.path = "demo-1.0.data/purelib/pure.py", .content = ""},
       {.path = "demo-1.0.data/platlib/plat.so", .content = "so"},
       {.path = "demo-1.0.data/headers/demo.h", .content = "h"},
       {.path = "demo-1.0.data/data/share/d.txt", .content = "d"},
       {.path = "demo-1.0.data/data/lib64/l.txt", .content = "l"},
       {.path = "demo-1.0.data/scripts/old", .content = "#!pythonw -x\nprint()\n", .mode = 0100755},
       {.path = "demo-1.0.data/scripts/text.py", .content = "#!python\n"},
       {.path = "demo-1.0.data/scripts/run", .content = "wrapper of setuptools"},
       {.path = concat(kInfo, "/entry_points.txt"), .content = "[console_scripts]\nrun = demo:main.go\n"}});
  InstallOptions options{scheme(), InstallOptions::Requested::yes, "{}"};
  const InstalledDistribution out = plan(fixture, options);
  const std::string prefix(kPrefix);
  REQUIRE(find(out, kSite + "demo.py"));
  CHECK(find(out, kSite + "demo.py")->mode == 0644);
  CHECK(find(out, kSite + "tool.sh")->mode == 0755);
  CHECK(find(out, kSite + "pure.py"));
  CHECK(find(out, kSite + "plat.so"));
  CHECK(find(out, prefix + "/include/site/python3.11/demo/demo.h"));
  CHECK(find(out, prefix + "/share/d.txt"));
  CHECK(find(out, prefix + "/lib/l.txt"));
  CHECK(find(out, prefix + "/bin/old")->mode == 0755);
  CHECK(text_of(find(out, prefix + "/bin/old")) == "#!/app/.heroku/python/bin/python\nprint()\n");
  // pip makes only those scripts executable that the archive says are.
  CHECK(find(out, prefix + "/bin/text.py")->mode == 0644);
  CHECK(text_of(find(out, prefix + "/bin/run")) ==
        "#!/app/.heroku/python/bin/python\nimport sys\nfrom demo import main\nif __name__ == '__main__':\n"
        "    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit(main.go())\n");
  CHECK(text_of(find(out, concat(kSite, kInfo, "/INSTALLER"))) == "dash-build\n");
  CHECK(text_of(find(out, concat(kSite, kInfo, "/direct_url.json"))) == "{}");
  CHECK(find(out, concat(kSite, kInfo, "/REQUESTED")));
  CHECK(find(out, concat(kSite, kInfo, "/RECORD")) == nullptr);

  const std::string record = format_record(out.record);
  CHECK(contains(record, concat("../../../bin/old,sha256=",
                                to_base64url(sha256("#!/app/.heroku/python/bin/python\nprint()\n")))));
  CHECK(contains(record, "../../../include/site/python3.11/demo/demo.h,sha256="));
  CHECK(contains(record, concat(kInfo, "/RECORD,,\r\n")));
  CHECK(contains(record, concat(kInfo, "/INSTALLER,sha256=")));
  REQUIRE(out.sources.size() == 3);
  CHECK(out.sources[0].source_path == "/" + prefix + "/bin/text.py");
  CHECK(out.sources[0].first_line == "#!/app/.heroku/python/bin/python\n");
  CHECK(out.sources[1].source_path == "/" + kSite + "demo.py");
  CHECK(out.sources[1].pyc_path == kSite + "__pycache__/demo.cpython-311.pyc");
  CHECK(out.sources[1].first_line.empty());
}

TEST_CASE("install: pip's scripts have the interpreter's version") {
  Fixture fixture(
      {{.path = concat(kInfo, "/entry_points.txt"),
        .content = "[console_scripts]\npip = demo:m\npip3 = demo:m\npip3.9 = demo:m\npipx = demo:m\n"}});
  const InstalledDistribution out = plan(fixture);
  for (const auto* name : {"pip", "pip3", "pip3.11", "pipx"})
    CHECK(find(out, concat(kPrefix, "/bin/", name)));
  CHECK_FALSE(find(out, concat(kPrefix, "/bin/pip3.9")));
}

TEST_CASE("install: what would leave its place is refused") {
  auto message = [](std::vector<ZipFixtureEntry> entries) {
    Fixture fixture(std::move(entries));
    try {
      plan(fixture);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::invalid_input);
      return error.message();
    }
    return std::string();
  };
  const std::string prefix = "demo-1.0-py3-none-any.whl: cannot install ";
  CHECK(
      message({{.path = "demo-1.0.data/etc/x", .content = "x"}}) ==
      prefix +
          "'demo-1.0.data/etc/x': unknown scheme 'etc'; known are data, headers, platlib, purelib, scripts");
  CHECK(message({{.path = "demo-1.0.data/x", .content = "x"}}) ==
        prefix +
            "'demo-1.0.data/x': files in the .data directory must be in a directory named after a scheme");
  const std::string entry_points = concat(kInfo, "/entry_points.txt");
  CHECK(message({{.path = entry_points, .content = "[console_scripts]\n../../x = a:b\n"}}) ==
        prefix + "'../../x': the script would be outside of the scripts directory");
  CHECK(message({{.path = entry_points, .content = "[console_scripts]\nx = a\n"}}) ==
        prefix + "'x': the entry point names no function");
}

TEST_CASE("install: shebang lines") {
  CHECK(script_shebang("/app/.heroku/python/bin/python") == "#!/app/.heroku/python/bin/python\n");
  CHECK(script_shebang("/a b/python") == "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n");
  const std::string long_path = "/" + std::string(130, 'a') + "/python";
  CHECK(script_shebang(long_path) == concat("#!/bin/sh\n'''exec' ", long_path, " \"$0\" \"$@\"\n' '''\n"));
}

TEST_CASE("install: rows of RECORD are pip's, even where it has two for one path") {
  Fixture fixture({{.path = concat(kInfo, "/INSTALLER"), .content = "other\n"},
                   {.path = concat(kInfo, "/entry_points.txt"),
                    .content = "[console_scripts]\nx = demo:c\n[gui_scripts]\nx = demo:g\n"}});
  const InstalledDistribution out = plan(fixture);
  std::vector<std::string> paths;
  for (const RecordRow& row : out.record) paths.push_back(row.path);
  std::ranges::sort(paths);
  const std::string info(kInfo);
  CHECK(paths == std::vector<std::string>{"../../../bin/x", "../../../bin/x", info + "/INSTALLER",
                                          info + "/INSTALLER", info + "/METADATA", info + "/RECORD",
                                          info + "/WHEEL", info + "/entry_points.txt"});
  CHECK(contains(text_of(find(out, concat(kPrefix, "/bin/x"))), "sys.exit(g())"));
}

TEST_CASE("install: headers are below the normalised name") {
  Fixture fixture(std::vector<ZipFixtureEntry>{{.path = "demo-1.0.data/headers/x.h", .content = ""}});
  fixture.metadata = "Name: Demo\nVersion: 1.0\n";
  CHECK(find(plan(fixture), concat(kPrefix, "/include/site/python3.11/demo/x.h")));
}

TEST_CASE("install: order is pip's") {
  const TempDirectory directory = dash::testing::make_temp_directory();
  std::vector<PackageFacts> all;
  auto add = [&](const std::string& name, const std::vector<std::string>& needs) {
    std::string metadata = concat("Name: ", name, "\nVersion: 1\n");
    for (const std::string& need : needs) metadata += concat("Requires-Dist: ", need, '\n');
    const std::string info = name + "-1.dist-info/";
    const fs::path path = directory.path() / concat(name, "-1-py3-none-any.whl");
    write_file_atomic(path, zip_bytes({{.path = info + "METADATA", .content = metadata},
                                       {.path = info + "WHEEL", .content = "Wheel-Version: 1.0\n"},
                                       {.path = info + "RECORD", .content = ""}}));
    all.push_back(package_facts(plan_installation(std::make_shared<const Wheel>(path), {},
                                                  {scheme(), InstallOptions::Requested::no, ""}),
                                PycFiles::omit));
  };
  add("a", {"B_1>=2", "gone", "x ; extra == 'full'"});
  add("b.1", {});
  add("c", {"a[more] ; python_version > '3'", "c"});
  add("x", {});
  add("y", {"z"});  // a circle
  add("z", {"y (>1)"});
  std::vector<std::string> names;
  for (const std::size_t i : install_order(all).packages) names.push_back(all[i].name);
  CHECK(names == std::vector<std::string>{"x", "b.1", "a", "c", "z", "y"});
}
