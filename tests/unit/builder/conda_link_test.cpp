#include "base/error.hpp"
#include "builder/conda/link.hpp"
#include "builder/conda/link_order.hpp"
#include "builder/conda/package_paths.hpp"
#include "builder/conda/pyc_stamp.hpp"
#include "tests/support/conda_fixture.hpp"
#include "tests/support/error_of.hpp"

#include <map>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::CondaFixture;
using dash::testing::little_endian;

namespace {

const std::string kPlaceholder = "/home/builder/" + std::string(200, 'p');
const std::string kIn = "app/.heroku/miniconda/";

struct Linking {
  TempDirectory home = dash::testing::make_temp_directory();
  CondaFixture fixture;
  CondaPackageUrl package;
  CondaScheme scheme;

  Linking() {
    package.url = "https://me:secret@channel.example/t/token/main/linux-64/demo-1.0-0.conda";
    package.digests = {sha256("x"), "00000000000000000000000000000000"};
    scheme.python_version = "3.11.7";
    scheme.file_times = 315532800;
  }

  LinkedPackage link() {
    const fs::path path = home.path() / "demo-1.0-0.conda";
    write_file(path, fixture.conda());
    remove_tree(home.path() / "content");
    return link_package(std::make_shared<const PackageArchive>(
                            path, ReadPackageOptions{home.path() / "content", {}, nullptr, 1U << 30U}),
                        package, scheme);
  }
  std::string error() {
    return dash::testing::brief_error_of([&] { link(); });
  }
  void noarch_python(const std::string& entry_points = "[]") {
    fixture.index =
        R"({"name": "demo", "version": "1.0", "build": "0", "noarch": "python", "depends": ["python"]})";
    fixture.info.file("info/link.json",
                      concat(R"({"noarch": {"type": "python", "entry_points": )", entry_points, "}}"));
  }
};

// By path, below the prefix: "mode content", "-> target" or "directory".
std::map<std::string, std::string> tree(const LinkedPackage& package) {
  std::map<std::string, std::string> out;
  for (const LinkedFile& file : package.files) {
    CHECK(file.path.starts_with(kIn));
    std::string& shown = out[file.path.substr(kIn.size())];
    if (file.type == EntryType::symlink)
      shown = "-> " + file.link_target;
    else if (file.type == EntryType::directory)
      shown = "directory";
    else
      shown = concat(file.mode == 0644 ? "" : "x ", package.content(file));
    if (file.type == EntryType::file) {
      CHECK(file.size == package.content(file).size());
      CHECK(file.sha256 == sha256(package.content(file)));
    }
  }
  return out;
}

using Tree = std::map<std::string, std::string>;

std::vector<std::string> compiled(const LinkedPackage& package) {
  std::vector<std::string> out;
  for (const LinkedSource& source : package.sources) out.push_back(source.pyc_path.substr(kIn.size()));
  return out;
}

// A .pyc of Python 3.11 (or another magic number) with a time.
std::string pyc(std::uint32_t time, std::uint32_t size, unsigned magic = 3495) {
  const std::string start = little_endian(magic, 2) + "\r\n";
  if (magic > 20000) return start + little_endian(time, 4) + "code of old Python";
  return start + (magic >= 3390 ? little_endian(0, 4) : "") + little_endian(time, 4) +
         little_endian(size, 4) + "code";
}

}  // namespace

TEST_CASE("conda prefix: text and binary") {
  const auto text = [](const std::string& content, const std::string& from, const std::string& to) {
    return replace_prefix(content, {Replacement::Mode::text, from, to});
  };
  const auto binary = [](const std::string& content, const std::string& from, const std::string& to) {
    return replace_prefix(content, {Replacement::Mode::binary, from, to});
  };
  CHECK(text("a /old/x /old:/old", "/old", "/newer") == "a /newer/x /newer:/newer");
  CHECK(text("none", "/old", "/newer") == "none");
  const auto zeros = [](std::size_t count) { return std::string(count, '\0'); };
  const std::string end = zeros(1);
  CHECK(binary(concat("x", end, "/placeholder/lib:/placeholder", end, "rest", end), "/placeholder", "/new") ==
        concat("x", end, "/new/lib:/new", zeros(16), end, "rest", end));
  CHECK(binary(concat("head/placeholder/a", end, "/placeholder", end), "/placeholder", "/n") ==
        concat("head/n/a", zeros(10), end, "/n", zeros(10), end));
  CHECK(binary("/placeholder without an end", "/placeholder", "/new") == "/placeholder without an end");
  CHECK(binary("ab" + end, "ab", "ab") == "ab" + end);
  CHECK_THROWS_WITH(binary("/short" + end, "/short", "/longer"),
                    Catch::Contains("paths of at most 6 characters"));
  CHECK(binary("nothing" + end, "/short", "/longer") == "nothing" + end);
}

TEST_CASE("conda prefix: first lines that Linux would cut off") {
  const std::string deep = "/new" + std::string(130, 'd');
  const auto text = [&](const std::string& content) {
    return replace_prefix(content, {Replacement::Mode::text, "/old", deep});
  };
  CHECK(text("#!/old/bin/python -E\nx /old") == "#!/usr/bin/env python -E\nx " + deep);
  CHECK(text("#! /old/bin/perl\r\n") == "#!/usr/bin/env perl\r\n");
  CHECK(text("#!/usr/bin/python\n#!/old/bin/python\n") ==
        concat("#!/usr/bin/python\n#!", deep, "/bin/python\n"));
  CHECK(replace_prefix("#!/old/bin/python\n", {Replacement::Mode::text, "/old", "/new"}) ==
        "#!/new/bin/python\n");
  // 127 characters still fit.
  const std::string fits = "/" + std::string(127 - 2 - 1 - 4, 'f');
  CHECK(replace_prefix("#!/old/x/y\n", {Replacement::Mode::text, "/old", fits}) ==
        concat("#!", fits, "/x/y\n"));
  CHECK(replace_prefix("#!/old/x/yz\n", {Replacement::Mode::text, "/old", fits}) == "#!/usr/bin/env yz\n");
}

TEST_CASE("conda link: files, prefixes, links and the record") {
  Linking linking;
  const std::string script = "#!" + kPlaceholder + "/bin/sh\n";
  const std::string binary = "ELF" + kPlaceholder + "/lib" + std::string(1, '\0');
  linking.fixture.info.file("info/paths.json",
                            concat(R"({"paths_version": 1, "paths": [
        {"_path": "lib/tool", "path_type": "hardlink", "sha256": ")",
                                   to_hex(sha256(binary)), R"(", "size_in_bytes": )", binary.size(),
                                   R"(, "prefix_placeholder": ")", kPlaceholder, R"(", "file_mode": "binary"},
        {"_path": "bin/run", "path_type": "hardlink", "prefix_placeholder": ")",
                                   kPlaceholder, R"(", "file_mode": "text"},
        {"_path": "bin/plain", "path_type": "hardlink", "no_link": true, "sha256": null},
        {"_path": "lib/link", "path_type": "softlink"},
        {"_path": "share/empty", "path_type": "directory"}]})"));
  linking.fixture.content.add({.name = "bin/run", .content = script, .mode = 0755})
      .file("bin/plain", "plain")
      .file("lib/tool", binary)
      .symlink("lib/link", "tool")
      .file("not/listed", "");
  const LinkedPackage package = linking.link();
  CHECK(package.warnings.empty());
  CHECK(tree(package) == Tree{{"bin/plain", "plain"},
                              {"bin/run", "x #!/app/.heroku/miniconda/bin/sh\n"},
                              {"lib/link", "-> tool"},
                              {"lib/tool", "ELF/app/.heroku/miniconda/lib" +
                                               std::string(binary.size() - 3 - kIn.size() - 4, '\0')},
                              {"share/empty", "directory"}});
  CHECK(package.record_path == kIn + "conda-meta/demo-1.0-0.json");
  CHECK_FALSE(contains(package.record, "secret"));
  CHECK_FALSE(contains(package.record, "token"));
  const auto record = nlohmann::json::parse(package.record);
  CHECK(record.at("name") == "demo");
  CHECK(record.at("build_number") == 0);
  CHECK(record.at("url") == "https://channel.example/main/linux-64/demo-1.0-0.conda");
  CHECK(record.at("channel") == "https://channel.example/main");
  CHECK(record.at("fn") == "demo-1.0-0.conda");
  CHECK(record.at("md5") == linking.package.digests.md5);
  CHECK(record.at("sha256") == to_hex(sha256("x")));
  CHECK(record.at("files") ==
        nlohmann::json({"bin/plain", "bin/run", "lib/link", "lib/tool", "share/empty"}));
  const auto& paths = record.at("paths_data").at("paths");
  CHECK(record.at("paths_data").at("paths_version") == 1);
  REQUIRE(paths.size() == 5);
  CHECK(paths[0] == nlohmann::json({{"_path", "bin/plain"},
                                    {"path_type", "hardlink"},
                                    {"no_link", true},
                                    {"sha256", to_hex(sha256("plain"))},
                                    {"sha256_in_prefix", to_hex(sha256("plain"))},
                                    {"size_in_bytes", 5}}));
  CHECK(paths[1].at("prefix_placeholder") == kPlaceholder);
  CHECK(paths[1].at("file_mode") == "text");
  CHECK(paths[1].at("sha256") == to_hex(sha256(script)));
  CHECK(paths[1].at("sha256_in_prefix") == to_hex(sha256("#!/app/.heroku/miniconda/bin/sh\n")));
  CHECK(paths[2].at("path_type") == "softlink");
}

TEST_CASE("conda link: the channel's record counts, not the package's") {
  Linking linking;
  linking.package.repodata =
      R"({"name": "demo", "version": "1.0", "build": "0", "build_number": 7, "depends": ["python >=3.7", "zlib", "c::numpy[version='>1']"]})";
  linking.fixture.index = R"({"name": "demo", "version": "1.0", "build": "0", "depends": []})";
  const LinkedPackage package = linking.link();
  CHECK(package.dependencies == std::vector<std::string>{"numpy", "python", "zlib"});
  CHECK(nlohmann::json::parse(package.record).at("build_number") == 7);
}

TEST_CASE("conda link: packages older than paths.json") {
  Linking linking;
  linking.fixture.content.file("bin/old", std::string(kOldPlaceholder) + "/x")
      .file("bin/new one", kPlaceholder + "/x")
      .file("lib/bin", kPlaceholder + std::string(1, '\0'))
      .symlink("lib/link", "bin")
      .file("left/out", "");
  SECTION("with files and has_prefix") {
    linking.fixture.info.file("info/files", "bin/old\nbin/new one\nlib/bin\r\nlib/link\n\n")
        .file("info/has_prefix", concat("bin/old\n", kPlaceholder, " text \"bin/new one\"\n\"", kPlaceholder,
                                        "\" \"binary\" \"lib/bin\"\n"))
        .file("info/no_link", "bin/old\n");
    const LinkedPackage package = linking.link();
    CHECK(tree(package) ==
          Tree{{"bin/old", "/app/.heroku/miniconda/x"},
               {"bin/new one", "/app/.heroku/miniconda/x"},
               {"lib/bin", "/app/.heroku/miniconda" + std::string(kPlaceholder.size() + 1 - 22, '\0')},
               {"lib/link", "-> bin"}});
    CHECK(contains(package.record, "\"no_link\": true"));
  }
  SECTION("without any list") {
    const auto found = tree(linking.link());
    CHECK(found.size() == 5);
    CHECK(found.contains("left/out"));
  }
  SECTION("noarch as a truth value") {
    linking.fixture.index = R"({"name": "font", "version": "1", "build": "0", "noarch": true})";
    linking.scheme.python_version = "";
    CHECK(tree(linking.link()).size() == 5);
  }
}

TEST_CASE("conda link: noarch Python packages") {
  Linking linking;
  linking.noarch_python(R"(["demo = demo.cli:main", "demo-admin=demo.admin : Tool.run"])");
  linking.fixture.content.file("site-packages/demo/__init__.py", "")
      .add({.name = "python-scripts/demo-run", .content = "#!python", .mode = 0755})
      .file("share/x.py", "");
  const LinkedPackage package = linking.link();
  const auto found = tree(package);
  const std::string site = "lib/python3.11/site-packages/";
  CHECK(found.at(site + "demo/__init__.py").empty());
  CHECK(found.at("bin/demo-run") == "x #!python");
  CHECK(found.at("bin/demo") ==
        "x #!/app/.heroku/miniconda/bin/python3.11\n# -*- coding: utf-8 -*-\nimport sys\n\nfrom demo.cli "
        "import "
        "main\n\nif __name__ == '__main__':\n    sys.exit(main())\n");
  CHECK(contains(found.at("bin/demo-admin"), "from demo.admin import Tool\n"));
  CHECK(contains(found.at("bin/demo-admin"), "sys.exit(Tool.run())"));
  CHECK(compiled(package) == std::vector<std::string>{site + "demo/__pycache__/__init__.cpython-311.pyc"});
  CHECK(contains(package.record, "unix_python_entry_point"));
  const std::string with = record_with_bytecode(package, linking.scheme, {package.sources[0].pyc_path});
  const auto record = nlohmann::json::parse(with);
  CHECK(record.at("files").back() == site + "demo/__pycache__/__init__.cpython-311.pyc");
  CHECK(record.at("paths_data").at("paths").back().at("path_type") == "pyc_file");

  SECTION("where the Python package says where") {
    linking.scheme.python_site_packages = "lib/python3.11t/site-packages";
    CHECK(tree(linking.link()).contains("lib/python3.11t/site-packages/demo/__init__.py"));
  }
  SECTION("for Python 2") {
    linking.scheme.python_version = "2.7.15";
    CHECK(compiled(linking.link()) ==
          std::vector<std::string>{"lib/python2.7/site-packages/demo/__init__.pyc"});
  }
  SECTION("without Python") {
    linking.scheme.python_version = "";
    CHECK(linking.error() ==
          "invalid_input: demo-1.0-0.conda is a Python package, and there is no Python to install it for");
  }
}

TEST_CASE("conda link: .pyc files of the package stay valid in the image") {
  Linking linking;
  const std::string lib = "lib/python3.11/";
  const auto add = [&](const std::string& name, const std::string& code) {
    linking.fixture.content.add({.name = lib + name + ".py", .content = "x = 1", .mtime = 1'500'000'000});
    if (!code.empty())
      linking.fixture.content.file(concat(lib, "__pycache__/", name, ".cpython-311.pyc"), code);
  };
  add("valid", pyc(1'500'000'000, 5));
  add("stale", pyc(1'400'000'000, 5));
  add("other_size", pyc(1'500'000'000, 6));
  add("none", "");
  const std::string hashed = little_endian(3495, 2) + "\r\n" + little_endian(3, 4) + "12345678code";
  add("hashed", hashed);
  linking.fixture.content.file(lib + "__pycache__/foreign.cpython-27.pyc", "x").file("bin/script.py", "");
  const LinkedPackage package = linking.link();
  const auto found = tree(package);
  CHECK(found.at(lib + "__pycache__/valid.cpython-311.pyc") == pyc(315532800, 5));
  CHECK(found.at(lib + "__pycache__/hashed.cpython-311.pyc") == hashed);
  CHECK_FALSE(found.contains(lib + "__pycache__/stale.cpython-311.pyc"));
  CHECK(found.contains(lib + "__pycache__/foreign.cpython-27.pyc"));
  CHECK(compiled(package) == std::vector<std::string>{lib + "__pycache__/none.cpython-311.pyc",
                                                      lib + "__pycache__/other_size.cpython-311.pyc",
                                                      lib + "__pycache__/stale.cpython-311.pyc"});
}

TEST_CASE("conda link: times in .pyc files of all ages") {
  CHECK(read_pyc_stamp(pyc(7, 5))->offset == 8);
  CHECK(read_pyc_stamp(pyc(7, 5))->time == 7);
  CHECK(read_pyc_stamp(pyc(7, 5))->size == 5);
  CHECK(read_pyc_stamp(pyc(7, 5, 3379))->offset == 4);  // 3.6
  CHECK(read_pyc_stamp(pyc(7, 5, 3379))->size == 5);
  CHECK(read_pyc_stamp(pyc(7, 5, 62211))->time == 7);  // 2.7
  CHECK_FALSE(read_pyc_stamp(pyc(7, 5, 62211))->size);
  CHECK_FALSE(read_pyc_stamp("no byte code at all"));
  CHECK_FALSE(read_pyc_stamp(""));
}

TEST_CASE("conda link: wrong checksums in paths.json are a warning") {
  Linking linking;
  linking.fixture.content.file("a", "1").file("b", "2");
  linking.fixture.info.file("info/paths.json",
                            concat(R"({"paths": [{"_path": "a", "sha256": ")", std::string(64, '0'),
                                   R"("}, {"_path": "b", "size_in_bytes": 9}]})"));
  CHECK(linking.link().warnings ==
        std::vector<std::string>{
            "demo-1.0-0.conda is not what its own list of files says: a has another checksum, and 1 more"});
}

TEST_CASE("conda link: packages that contradict themselves") {
  Linking linking;
  const std::string name = "corrupt: demo-1.0-0.conda: ";
  linking.fixture.content.file("a", "1").file("b", kPlaceholder + std::string(1, '\0'));
  const auto paths = [&](const std::string& json) {
    linking.fixture.info = {};
    linking.fixture.info.file("info/paths.json", json);
    return linking.error();
  };
  CHECK(paths(R"({"paths": [{"_path": "gone"}]})") ==
        name + "its list of files has gone, which is not in it");
  CHECK(paths(R"({"paths": [{"_path": "../up"}]})") == name + "paths.json has an unsafe path: '../up'");
  CHECK(paths(R"({"paths": [{"_path": "/abs"}]})") == name + "paths.json has an unsafe path: '/abs'");
  CHECK(paths(R"({"paths": [{"_path": ""}]})") == name + "paths.json has an unsafe path: ''");
  CHECK(paths(R"({"paths": [{"_path": "a", "path_type": "socket"}]})") ==
        name + "paths.json gives a the unknown path_type 'socket'");
  CHECK(paths(R"({"paths": [{"_path": "a", "prefix_placeholder": "/p", "file_mode": "odd"}]})") ==
        name + "paths.json gives a the unknown file_mode 'odd'");
  CHECK(paths("{") == name + "paths.json is not valid JSON (byte 2)");
  CHECK(paths("[]") == name + "paths.json does not have the form it should have");
  CHECK(paths(R"({"paths": [{"path": 1}]})") == name + "paths.json does not have the form it should have");
  CHECK(paths(R"({"paths": [], "paths_version": 2})") ==
        "unsupported: demo-1.0-0.conda: paths.json has version 2; known is 1");
  CHECK(paths(R"({"paths": [{"_path": "b", "prefix_placeholder": "/home", "file_mode": "binary"}]})") ==
        "unsupported: the package can be installed to paths of at most 5 characters, and "
        "/app/.heroku/miniconda has 22");

  linking.fixture.info = {};
  linking.fixture.index = R"({"version": "1"})";
  CHECK(linking.error() == name + "index.json has no name or version");
  linking.fixture.index = "{";
  CHECK(linking.error() == name + "index.json is not valid JSON (byte 2)");
  linking.noarch_python(R"(["../evil = a:b"])");
  CHECK(linking.error() == name + "it has an entry point that cannot be a file's name: '../evil'");
  linking.fixture.info = {};
  linking.noarch_python(R"(["x = a; import os:b"])");
  CHECK(linking.error() == name + "it has an entry point that is none: 'x = a; import os:b'");
}

TEST_CASE("conda link: order is conda's") {
  const auto package = [](const std::string& name, std::vector<std::string> dependencies) {
    return PackageFacts{name, "1", std::move(dependencies), 0, {}};
  };
  const std::vector<PackageFacts> packages = {package("pip", {"python", "wheel"}),
                                              package("python", {"pip", "zlib"}),
                                              package("zlib", {"libc", "absent"}),
                                              package("libc", {}),
                                              package("wheel", {"python"}),
                                              package("a", {"b"}),
                                              package("b", {"a"}),
                                              package("z", {})};
  const InstallOrder order = link_order(packages);
  CHECK(order.names == std::vector<std::string>{"libc", "z", "zlib", "python", "wheel", "pip", "a", "b"});
  for (std::size_t i = 0; i < order.names.size(); ++i)
    CHECK(packages[order.packages[i]].name == order.names[i]);
}
