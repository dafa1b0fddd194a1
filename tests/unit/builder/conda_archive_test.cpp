#include "base/error.hpp"
#include "builder/conda/package_archive.hpp"
#include "tests/support/conda_fixture.hpp"
#include "tests/support/error_of.hpp"

#include <functional>
#include <memory>

#include <boost/filesystem/directory.hpp>
#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::CondaFixture;

namespace {

struct Directory {
  TempDirectory home = dash::testing::make_temp_directory();
  ThreadPool pool{1};
  int count = 0;

  fs::path write(const std::string& name, const std::string& bytes) {
    write_file(home.path() / name, bytes);
    return home.path() / name;
  }
  ReadPackageOptions options() { return {home.path() / concat(++count, ".content"), {}, &pool, 1U << 30U}; }
  std::unique_ptr<PackageArchive> read(const std::string& name, const std::string& bytes) {
    return std::make_unique<PackageArchive>(write(name, bytes), options());
  }
  std::string error(const std::string& name, const std::string& bytes) {
    return dash::testing::brief_error_of([&] { read(name, bytes); });
  }
};

// "path type mode content" by lines.
std::string listing(const PackageArchive& archive) {
  std::string out;
  for (const ArchivedFile& file : archive.files()) {
    out += concat(file.path, ' ');
    if (file.type == EntryType::symlink)
      out += concat("-> ", file.link_target, '\n');
    else if (file.type == EntryType::directory)
      out += "directory\n";
    else
      out += concat(file.mode, ' ', as_text(archive.content(file)), '\n');
  }
  return out;
}

CondaFixture ordinary() {
  CondaFixture out;
  out.info.file("info/paths.json", R"({"paths": [], "paths_version": 1})").file("info/recipe/meta.yaml", "x");
  out.content.add({.name = "bin/tool", .content = "run", .mode = 0755})
      .file("lib/data", std::string(100'000, 'd'))
      .symlink("lib/link", "data")
      .directory("share/empty");
  return out;
}

}  // namespace

TEST_CASE("conda archive: both formats have the same content") {
  Directory directory;
  const CondaFixture fixture = ordinary();
  const auto conda = directory.read("demo-1.0-0.conda", fixture.conda());
  const auto bz2 = directory.read("demo-1.0-0.tar.bz2", fixture.tar_bz2());
  CHECK(listing(*conda) == concat("bin/tool 493 run\nlib/data 420 ", std::string(100'000, 'd'),
                                  "\nlib/link -> data\nshare/empty directory\n"));
  CHECK(listing(*bz2) == listing(*conda));
  for (const auto* archive : {conda.get(), bz2.get()}) {
    CHECK(*archive->info("index.json") == fixture.index);
    CHECK(contains(*archive->info("paths.json"), "paths_version"));
    CHECK(archive->info("recipe/meta.yaml") == nullptr);
    CHECK(archive->find("bin/tool")->sha256 == sha256("run"));
    CHECK(archive->find("bin") == nullptr);
  }
}

TEST_CASE("conda archive: odd entries of tars") {
  Directory directory;
  CondaFixture fixture;
  fixture.info.file("info/LICENSE", "free");
  fixture.content.file("./a", "1")
      .directory("./")
      .hardlink("b", "./a")
      .hardlink("license", "info/LICENSE")
      .file("grüße/✓", "2")
      .file("twice", "old")
      .file("twice", "new")
      .file(std::string(120, 'n') + "/" + std::string(120, 'm'), "long")
      .file("empty", "");
  const std::string expected =
      concat("a 420 1\nb 420 1\nempty 420 \ngrüße/✓ 420 2\nlicense 420 free\n", std::string(120, 'n'), '/',
             std::string(120, 'm'), " 420 long\ntwice 420 new\n");
  CHECK(listing(*directory.read("demo-1.0-0.conda", fixture.conda())) == expected);
  CHECK(listing(*directory.read("demo-1.0-0.tar.bz2", fixture.tar_bz2())) == expected);
}

TEST_CASE("conda archive: sparse files") {
  Directory directory;
  const std::string format = GENERATE(as<std::string>(), "gnu", "posix");
  const fs::path tree = directory.home.path() / "tree";
  make_directories(tree / "info");
  const std::string tar = dash::testing::run_script(concat(
      "cd '", tree.string(), "'; printf start >f; truncate -s 1M f; printf end >>f; truncate -s 3M f; ",
      "echo '{}' >info/index.json; tar --sparse --format=", format, " -cf - info f"));
  REQUIRE(tar.size() < 100'000);
  const auto archive = directory.read("sparse-1-0.tar.bz2", dash::testing::bzip2_bytes(tar));
  const auto content = as_text(archive->content(*archive->find("f")));
  CHECK(content.size() == 3U << 20U);
  CHECK(content == read_file(tree / "f"));
}

TEST_CASE("conda archive: zip64, and a package of info alone") {
  Directory directory;
  CondaFixture fixture;
  const fs::path path = directory.home.path() / "demo-1.0-0.conda";
  directory.write("info", dash::testing::zstd_bytes(fixture.info_tar()));
  directory.write("pkg", dash::testing::zstd_bytes(fixture.content.finish()));
  dash::testing::run_tool({"python3", "-c",
                           "import sys, zipfile\n"
                           "with zipfile.ZipFile(sys.argv[1], 'w') as z:\n"
                           "    for part in ('pkg', 'info'):\n"
                           "        with z.open(part + '-demo-1.0-0.tar.zst', 'w', force_zip64=True) as f:\n"
                           "            f.write(open(sys.argv[2] + '/' + part, 'rb').read())\n",
                           path.string(), directory.home.path().string()});
  const PackageArchive archive(path, directory.options());
  CHECK(archive.files().empty());
  CHECK(*archive.info("index.json") == fixture.index);
}

TEST_CASE("conda archive: the decoded form of .tar.bz2 is kept and used") {
  Directory directory;
  const CondaFixture fixture = ordinary();
  const fs::path path = directory.write("demo-1.0-0.tar.bz2", fixture.tar_bz2());
  auto options = directory.options();
  options.decoded = directory.home.path() / "kept/decoded.tar.zst";
  const PackageArchive first(path, options);
  write_file(path, "no archive any more");
  options.content = directory.home.path() / "second.content";
  const PackageArchive second(path, options);
  CHECK(listing(second) == listing(first));
  CHECK(second.info("index.json") != nullptr);

  SECTION("and nothing is kept of one that is damaged") {
    const std::string bytes = fixture.tar_bz2();
    const fs::path cut = directory.write("cut-1.0-0.tar.bz2", bytes.substr(0, bytes.size() - 60));
    auto cut_options = directory.options();
    cut_options.decoded = directory.home.path() / "cut/decoded.tar.zst";
    CHECK_THROWS_AS(PackageArchive(cut, cut_options), Error);
    CHECK_FALSE(fs::exists(directory.home.path() / "cut"));
  }
}

TEST_CASE("conda archive: what is refused, and why") {
  Directory directory;
  const CondaFixture fixture = ordinary();
  const std::string conda = "demo-1.0-0.conda";
  const std::string bz2 = "demo-1.0-0.tar.bz2";
  const std::string unusable = "corrupt: demo-1.0-0.conda is not a usable conda package: ";
  auto with_content = [](const std::function<void(dash::testing::RawTar&)>& add) {
    CondaFixture out;
    add(out.content);
    return out.conda();
  };
  auto with_entries = [&](const std::function<void(std::vector<dash::testing::ZipFixtureEntry>&)>& change) {
    auto entries = fixture.conda_entries();
    change(entries);
    return dash::testing::zip_bytes(entries);
  };

  CHECK(directory.error("demo-1.0-0.zip", "PK") ==
        "unsupported: 'demo-1.0-0.zip' is not the name of a conda package");
  CHECK(directory.error(conda, "PK") ==
        "corrupt: demo-1.0-0.conda is not a usable zip archive: it is too short for a zip archive");
  const std::string good = fixture.conda();
  CHECK(
      directory.error(conda, good.substr(0, good.size() - 9)) ==
      "corrupt: demo-1.0-0.conda is not a usable zip archive: the end record is missing (the file may be cut "
      "off)");
  CHECK(directory.error(conda, with_entries([](auto& entries) { entries.erase(entries.begin() + 1); })) ==
        unusable + "it has no pkg-*.tar.zst");
  CHECK(directory.error(conda, with_entries([](auto& entries) { entries.erase(entries.begin() + 2); })) ==
        unusable + "it has no info-*.tar.zst");
  CHECK(directory.error(conda, with_entries([](auto& entries) {
                          entries.push_back(entries[1]);
                          entries.back().path = "pkg-other.tar.zst";
                        })) == unusable + "it has both pkg-demo-1.0-0.tar.zst and pkg-other.tar.zst");
  CHECK(directory.error(conda, with_entries([](auto& entries) { entries[1].crc_change = 1; })) ==
        "corrupt: demo-1.0-0.conda is not a usable zip archive: the checksum of pkg-demo-1.0-0.tar.zst is "
        "wrong");
  CHECK(directory.error(conda, with_entries([](auto& entries) {
                          entries[0].content = R"({"conda_pkg_format_version": 3})";
                        })) ==
        "unsupported: demo-1.0-0.conda has version 3 of the .conda format; known is version 2");
  CHECK(directory.error(conda, with_entries([](auto& entries) {
                          entries[1].content.resize(entries[1].content.size() / 2);
                        })) ==
        "corrupt: demo-1.0-0.conda: pkg-demo-1.0-0.tar.zst is damaged: the zstd data is cut short");
  CHECK(contains(directory.error(conda, with_entries([](auto& entries) { entries[1].content = "no zstd"; })),
                 "corrupt: demo-1.0-0.conda is damaged: "));

  CHECK(directory.error(conda, with_content([](auto& tar) { tar.file("../escape", ""); })) ==
        unusable + "it has an unsafe name: '../escape'");
  CHECK(directory.error(conda, with_content([](auto& tar) { tar.file("/etc/passwd", ""); })) ==
        unusable + "it has an absolute name: '/etc/passwd'");
  CHECK(directory.error(conda, with_content([](auto& tar) { tar.hardlink("a", "gone"); })) ==
        unusable + "'a' is a hard link to 'gone', which is not in front of it");
  CHECK(directory.error(conda, with_content([](auto& tar) { tar.add({.name = "pipe", .type = '6'}); })) ==
        "unsupported: demo-1.0-0.conda holds a device or pipe: 'pipe'");
  CHECK(contains(directory.error(conda, with_content([](auto& tar) { tar.header({.name = "cut"}, 5000); })),
                 "corrupt: demo-1.0-0.conda is damaged: "));

  const std::string good_bz2 = fixture.tar_bz2();
  CHECK(contains(directory.error(bz2, good_bz2.substr(0, good_bz2.size() / 2)),
                 "corrupt: demo-1.0-0.tar.bz2 is damaged: "));
  CHECK(contains(directory.error(bz2, "BZh9 and nothing more"), "corrupt: demo-1.0-0.tar.bz2 is damaged: "));
  CHECK(directory.error(bz2, "") != "no error");

  SECTION("more than the limit") {
    auto options = directory.options();
    options.limit = 50'000;
    const fs::path path = directory.write(conda, good);
    CHECK_THROWS_AS(PackageArchive(path, options), Error);
  }
}

TEST_CASE("conda archive: members that are compressed once more are refused") {
  Directory directory;
  const CondaFixture fixture = ordinary();
  directory.write("pkg-demo.tar.zst", fixture.conda_entries()[1].content);
  directory.write("info-demo.tar.zst", fixture.conda_entries()[2].content);
  dash::testing::run_tool(
      {"python3", "-c",
       "import sys, zipfile\n"
       "with zipfile.ZipFile(sys.argv[1] + '/d-1-0.conda', 'w', zipfile.ZIP_DEFLATED) as z:\n"
       "    for part in ('pkg', 'info'): z.write(sys.argv[1] + '/' + part + '-demo.tar.zst', "
       "part + '-demo.tar.zst')\n",
       directory.home.path().string()});
  CHECK(
      dash::testing::brief_error_of(
          [&] { PackageArchive(directory.home.path() / "d-1-0.conda", directory.options()); }) ==
      "corrupt: d-1-0.conda is not a usable conda package: info-demo.tar.zst is compressed once more, which "
      "the format does not allow");
}

TEST_CASE("conda archive: digests") {
  Directory directory;
  const fs::path path = directory.write("x-1-0.conda", "abc");
  const std::string md5 = "900150983cd24fb0d6963f7d28e17f72";
  const auto found = check_package_digests(path, {}, "x");
  CHECK(found.md5 == md5);
  CHECK(found.sha256 == sha256("abc"));
  check_package_digests(path, {sha256("abc"), md5}, "x");
  CHECK(dash::testing::brief_error_of([&] {
          check_package_digests(path, {{}, "0" + md5.substr(1)}, "x-1-0.conda");
        }) == concat("corrupt: x-1-0.conda has another md5 than expected: it is ", md5, ", but should be 0",
                     md5.substr(1)));
  CHECK(dash::testing::brief_error_of([&] {
          check_package_digests(path, {sha256("x"), md5}, "x");
        }).starts_with("corrupt: x has another sha256 than expected"));
}
