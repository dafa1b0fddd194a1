#include "oci/extract.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/blob_store.hpp"
#include "tests/support/raw_tar.hpp"
#include "tests/support/tools.hpp"

#include <array>
#include <clocale>
#include <stop_token>

#include <catch2/catch.hpp>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace dash;
using namespace dash::oci;
using Catch::Matchers::Contains;
using dash::testing::RawEntry;
using dash::testing::RawTar;
using dash::testing::run_script;
using dash::testing::run_tool;
using Whiteouts = ExtractOptions::Whiteouts;

namespace {

// A root to extract to, and next to it what nothing may touch.
struct Sandbox {
  TempDirectory base{"/tmp"};
  fs::path root = base.path() / "root";
  fs::path outside = base.path() / "outside";

  Sandbox() {
    make_directories(root);
    make_directories(outside);
    write_file_atomic(outside / "victim", "precious");
  }
  void extract(const std::string& bytes, const ExtractOptions& options = {}) const {
    MemorySource source(bytes);
    extract_layer(source, root, "test.tar", options);
  }
  void extract(const RawTar& tar, const ExtractOptions& options = {}) const {
    extract(tar.finish(), options);
  }
  void overlay(const RawTar& tar) const { extract(tar, {.whiteouts = Whiteouts::overlay}); }
  // Applies it, expecting a refusal, and returns the message.
  std::string refused(const std::string& bytes, const ExtractOptions& options = {}) const {
    try {
      extract(bytes, options);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::corrupt);
      return error.message();
    }
    return "(accepted)";
  }
  std::string refused(const RawTar& tar, const ExtractOptions& options = {}) const {
    return refused(tar.finish(), options);
  }

  std::string text(const fs::path& path) const { return read_file(root / path); }
  struct stat stat(const fs::path& path) const {
    struct stat info {};
    if (::lstat((root / path).c_str(), &info) != 0) FAIL("no such file: " << path.string());
    return info;
  }
  bool exists(const fs::path& path) const {
    struct stat info {};
    return ::lstat((root / path).c_str(), &info) == 0;
  }
  std::string link(const fs::path& path) const { return fs::read_symlink(root / path).string(); }
  std::string xattr(const fs::path& path, const char* name) const {
    std::array<char, 256> value{};
    const auto size = ::lgetxattr((root / path).c_str(), name, value.data(), value.size());
    return size < 0 ? "(none)" : std::string(value.data(), static_cast<std::size_t>(size));
  }
  // Every path, sorted.
  std::string list() const {
    return run_script(concat("cd ", root.string(), "; find . -mindepth 1 -printf '%P\n' | sort"));
  }
  bool is_whiteout(const fs::path& path) const {
    const auto info = stat(path);
    return S_ISCHR(info.st_mode) && info.st_rdev == 0;
  }
  // Nothing came into being next to the root, and the victim is as it was.
  void check_outside() const {
    CHECK(run_tool({"ls", "-A", base.path().string()}) == "outside\nroot\n");
    CHECK(run_tool({"ls", "-A", outside.string()}) == "victim\n");
    CHECK(read_file(outside / "victim") == "precious");
    struct stat info {};
    REQUIRE(::stat((outside / "victim").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777U) == 0644);
    CHECK(info.st_nlink == 1);
  }
};

std::string compress(const char* program, const std::string& bytes) {
  return run_tool({program, "-c"}, bytes);
}

}  // namespace

TEST_CASE("an ordinary layer is restored with everything that it says") {
  const Sandbox box;
  box.extract(
      RawTar()
          .directory("./")
          .add({.name = "usr/", .type = '5', .mode = 0750, .uid = 3, .gid = 4, .mtime = 1111})
          .add({.name = "usr/tool", .content = "#!", .mode = 04755, .uid = 1000, .gid = 2000, .mtime = 2222})
          .add({.name = "usr/link",
                .type = '2',
                .link = "tool",
                .mode = 0777,
                .uid = 5,
                .gid = 6,
                .mtime = 3333})
          .hardlink("usr/same", "usr/tool")
          .add({.name = "pipe", .type = '6', .mode = 0620, .mtime = 4444})
          .add({.name = "null", .type = '3', .mode = 0666, .mtime = 5, .major = 1, .minor = 3})
          .add({.name = "disk", .type = '4', .mode = 0660, .gid = 6, .major = 7, .minor = 300})
          .directory("sticky", 01777));
  const auto tool = box.stat("usr/tool");
  CHECK(box.text("usr/tool") == "#!");
  CHECK(tool.st_mode == (S_IFREG | 04755U));
  CHECK(tool.st_uid == 1000);
  CHECK(tool.st_gid == 2000);
  CHECK(tool.st_mtime == 2222);
  CHECK(tool.st_nlink == 2);
  CHECK(box.stat("usr/same").st_ino == tool.st_ino);
  CHECK(box.link("usr/link") == "tool");
  CHECK(box.stat("usr/link").st_uid == 5);
  CHECK(box.stat("usr/link").st_gid == 6);
  CHECK(box.stat("usr/link").st_mtime == 3333);
  // Set after its content was made.
  CHECK(box.stat("usr").st_mtime == 1111);
  CHECK(box.stat("usr").st_mode == (S_IFDIR | 0750U));
  CHECK(box.stat("usr").st_uid == 3);
  CHECK(box.stat("pipe").st_mode == (S_IFIFO | 0620U));
  CHECK(box.stat("pipe").st_mtime == 4444);
  CHECK(box.stat("null").st_mode == (S_IFCHR | 0666U));
  CHECK(box.stat("null").st_rdev == makedev(1, 3));
  CHECK(box.stat("null").st_mtime == 5);
  CHECK(box.stat("disk").st_mode == (S_IFBLK | 0660U));
  CHECK(box.stat("disk").st_rdev == makedev(7, 300));
  CHECK(box.stat("sticky").st_mode == (S_IFDIR | 01777U));
  CHECK(box.stat("").st_mtime == 1000000000);
}

TEST_CASE("extended attributes are restored, those of overlayfs never") {
  const Sandbox box;
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  box.extract(
      RawTar()
          .add({.name = "ping",
                .content = "x",
                .mode = 0755,
                .uid = 7,
                .pax = {{"SCHILY.xattr.user.note", std::string("a\0b", 3)},
                        {"SCHILY.xattr.security.capability", capability}}})
          .add({.name = "dir",
                .type = '5',
                .mode = 0755,
                .pax = {{"SCHILY.xattr.user.kind", "top"},
                        {"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                        {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                        {"SCHILY.xattr.user.overlay.opaque", "y"}}})
          .add({.name = "link", .type = '2', .link = "ping", .pax = {{"SCHILY.xattr.user.x", "1"}}})
          .add({.name = "link2", .type = '2', .link = "ping", .pax = {{"SCHILY.xattr.trusted.x", "1"}}}));
  CHECK(box.xattr("ping", "user.note") == std::string("a\0b", 3));
  CHECK(box.xattr("ping", "security.capability") == capability);
  CHECK(box.xattr("dir", "user.kind") == "top");
  CHECK(box.xattr("dir", "trusted.overlay.redirect") == "(none)");
  CHECK(box.xattr("dir", "trusted.overlay.opaque") == "(none)");
  CHECK(box.xattr("dir", "user.overlay.opaque") == "(none)");
  CHECK(box.xattr("link", "user.x") == "(none)");
  CHECK(box.xattr("link2", "trusted.x") == "1");

  // A later layer's entry for the directory says which attributes it has.
  box.extract(RawTar().add({.name = "dir", .type = '5', .pax = {{"SCHILY.xattr.user.other", "2"}}}));
  CHECK(box.xattr("dir", "user.kind") == "(none)");
  CHECK(box.xattr("dir", "user.other") == "2");
}

TEST_CASE("names are bytes, long or short, in any locale") {
  const auto* locale = GENERATE("C", "C.UTF-8");
  REQUIRE(std::setlocale(LC_ALL, locale) != nullptr);
  const Sandbox box;
  const std::string long_path = std::string(140, 'd') + "/" + std::string(159, 'f');
  const std::string latin1 = "caf\xe9";
  box.extract(
      RawTar()
          .directory(std::string(140, 'd'))
          .file(long_path, "long")
          .file("grüße/日本", "utf8")
          .file(latin1, "raw")
          .add({.name = "ascii", .content = "pax", .pax = {{"path", "größe"}}})
          .add({.name = "binary", .content = "b", .pax = {{"hdrcharset", "BINARY"}, {"path", "x\xff"}}})
          .symlink("link", std::string(200, 't') + "/ü")
          .hardlink("hard-ü", "grüße/日本")
          .file("new\nline and space ", "odd"));
  CHECK(box.text(long_path) == "long");
  CHECK(box.text("grüße/日本") == "utf8");
  CHECK(box.text(latin1) == "raw");
  CHECK(box.text("größe") == "pax");
  CHECK(box.text("x\xff") == "b");
  CHECK(box.link("link") == std::string(200, 't') + "/ü");
  CHECK(box.stat("hard-ü").st_ino == box.stat("grüße/日本").st_ino);
  CHECK(box.text("new\nline and space ") == "odd");

  std::setlocale(LC_ALL, "C");

  const std::string component(300, 'n');
  CHECK(box.refused(RawTar().file(component, "")) ==
        "layer test.tar, entry '" + component + "': cannot make it: File name too long");
}

TEST_CASE("names that leave the root, or are none, are refused") {
  struct Case {
    const char* name;
    const char* message;
  };
  const auto [name, message] = GENERATE(values<Case>({
      {"../x", "layer test.tar, entry '../x': its name has a '..' in it"},
      {"a/../../x", "layer test.tar, entry 'a/../../x': its name has a '..' in it"},
      {"a/..", "layer test.tar, entry 'a/..': its name has a '..' in it"},
      {"/../x", "layer test.tar, entry '/../x': its name has a '..' in it"},
      {".", "layer test.tar, entry '.': the root of the image can only be a directory"},
      {"a/.wh.", "layer test.tar, entry 'a/.wh.': it is a whiteout of no name"},
      {".wh..", "layer test.tar, entry '.wh..': it is a whiteout of no name"},
      {".wh...", "layer test.tar, entry '.wh...': it is a whiteout of no name"},
      {"a/.wh.b/c", "layer test.tar, entry 'a/.wh.b/c': a whiteout cannot be a directory"},
  }));
  const Sandbox box;
  for (const auto mode : {Whiteouts::apply, Whiteouts::overlay})
    CHECK(box.refused(RawTar().file(name, "evil"), {.whiteouts = mode}) == message);
  box.check_outside();
}

TEST_CASE("absolute names and odd spellings are taken below the root") {
  const Sandbox box;
  box.extract(RawTar().file("/etc/x", "1").file(".//a///b/./c", "2").directory("//d//").file("....", "3"));
  CHECK(box.text("etc/x") == "1");
  CHECK(box.text("a/b/c") == "2");
  CHECK(box.stat("d").st_mode == (S_IFDIR | 0755U));
  CHECK(box.text("....") == "3");
  box.check_outside();
}

TEST_CASE("symbolic links in the layer or the tree never lead outside") {
  const Sandbox box;
  const auto outside = box.outside.string();
  SECTION("absolute link, taken below the root") {
    box.extract(RawTar().symlink("a", outside).file("a/victim", "evil"));
    CHECK(box.text(outside.substr(1) + "/victim") == "evil");
  }
  SECTION("relative link with many ..") {
    box.extract(RawTar().symlink("a", "../../../../../../../.." + outside).file("a/victim", "evil"));
    CHECK(box.text(outside.substr(1) + "/victim") == "evil");
  }
  SECTION("link that the tree had before") {
    REQUIRE(::symlink("../outside", (box.root / "a").c_str()) == 0);
    box.extract(RawTar().file("a/victim", "evil"));
    CHECK(box.text("outside/victim") == "evil");
  }
  SECTION("final component: the link is replaced, not followed") {
    box.extract(RawTar().symlink("victim", outside + "/victim").file("victim", "mine"));
    CHECK(box.text("victim") == "mine");
    CHECK(S_ISREG(box.stat("victim").st_mode));
  }
  SECTION("a directory entry over a link") {
    box.extract(RawTar()
                    .symlink("d", outside)
                    .add({.name = "d", .type = '5', .mode = 0700, .uid = 9})
                    .file("d/new", "x"));
    CHECK(S_ISDIR(box.stat("d").st_mode));
    CHECK(box.text("d/new") == "x");
  }
  SECTION("chains and loops") {
    box.extract(RawTar()
                    .symlink("one", "two")
                    .symlink("two", "three/../four")
                    .symlink("three", "/")
                    .file("one/f", "x"));
    CHECK(box.text("four/f") == "x");
    CHECK_THAT(
        box.refused(RawTar().symlink("loop", "loop").file("loop/f", "x")),
        Contains("entry 'loop/f': cannot make its directory 'loop': Too many levels of symbolic links"));
    CHECK_THAT(box.refused(RawTar().symlink("p", "q/x").symlink("q", "p/y").file("p/f", "x")),
               Contains("Too many levels of symbolic links"));
  }
  SECTION("a link is swapped after its directory was used") {
    box.extract(RawTar()
                    .directory("good")
                    .symlink("at", "good")
                    .file("at/one", "1")
                    .symlink("at", outside)
                    .file("at/two", "2"));
    CHECK(box.text("good/one") == "1");
    CHECK_FALSE(box.exists("good/two"));
    CHECK(box.text(outside.substr(1) + "/two") == "2");
  }
  SECTION("magic links of /proc lead nowhere") {
    box.extract(RawTar().symlink("p", "/proc/self/root" + outside).file("p/victim", "evil"));
    CHECK(box.text("proc/self/root" + outside + "/victim") == "evil");
  }
  SECTION("whiteouts through a link") {
    write_file_atomic(box.root / "lower", "x");
    box.extract(RawTar().symlink("a", outside).file("a/.wh.victim", "").file("a/.wh..wh..opq", ""));
  }
  SECTION("whiteout of the link itself") {
    REQUIRE(::symlink(outside.c_str(), (box.root / "a").c_str()) == 0);
    box.extract(RawTar().file(".wh.a", ""));
    CHECK_FALSE(box.exists("a"));
  }
  SECTION("metadata of a link stays its own") {
    box.extract(RawTar().add(
        {.name = "l", .type = '2', .link = outside + "/victim", .mode = 04777, .uid = 77, .mtime = 3}));
    CHECK(box.stat("l").st_uid == 77);
  }
  box.check_outside();
}

TEST_CASE("a symbolic link as parent is followed inside the tree") {
  const Sandbox box;
  box.extract(
      RawTar().directory("usr").directory("usr/lib").symlink("lib", "usr/lib").symlink("abs", "/usr/lib"));
  box.extract(RawTar().file("lib/a.so", "a").file("abs/b.so", "b").file("lib/.wh.c.so", ""));
  CHECK(box.text("usr/lib/a.so") == "a");
  CHECK(box.text("usr/lib/b.so") == "b");
  CHECK(box.link("lib") == "usr/lib");
  box.extract(RawTar().file("lib/.wh.a.so", ""));
  CHECK_FALSE(box.exists("usr/lib/a.so"));
  // Dangling: what it names is made.
  box.extract(RawTar().symlink("log", "var/log/deep").file("log/f", "x"));
  CHECK(box.text("var/log/deep/f") == "x");
}

TEST_CASE("hard links stay inside and are what they say") {
  const Sandbox box;
  const auto outside = box.outside.string();
  SECTION("absolute target is below the root") {
    CHECK(box.refused(RawTar().hardlink("h", outside + "/victim")) ==
          "layer test.tar, entry 'h': its link target '" + outside + "/victim' does not exist");
  }
  SECTION("target with ..") {
    CHECK(box.refused(RawTar().hardlink("h", "../outside/victim")) ==
          "layer test.tar, entry 'h': its link target '../outside/victim' is refused: its name has a '..' in "
          "it");
  }
  SECTION("through a symbolic link to a directory") {
    CHECK_THAT(box.refused(RawTar().symlink("d", outside).hardlink("h", "d/victim").file("h", "evil")),
               Contains("its link target 'd/victim' does not exist"));
  }
  SECTION("to a symbolic link: the link itself is linked") {
    box.extract(RawTar().symlink("s", outside + "/victim").hardlink("h", "s"));
    CHECK(box.stat("h").st_ino == box.stat("s").st_ino);
    CHECK(S_ISLNK(box.stat("h").st_mode));
    box.extract(RawTar().file("h", "new"));
    CHECK(box.text("h") == "new");
    CHECK(box.link("s") == outside + "/victim");
  }
  SECTION("to a directory, to nothing, to itself, over a file") {
    CHECK(box.refused(RawTar().directory("d").hardlink("h", "d")) ==
          "layer test.tar, entry 'h': its link target 'd' is a directory");
    CHECK(box.refused(RawTar().hardlink("h", "later").file("later", "")) ==
          "layer test.tar, entry 'h': its link target 'later' does not exist");
    box.extract(RawTar().file("f", "1").hardlink("f", "./f").file("g", "2").hardlink("g", "f"));
    CHECK(box.text("f") == "1");
    CHECK(box.text("g") == "1");
    CHECK(box.stat("g").st_nlink == 2);
  }
  SECTION("writing a linked name does not change the other one") {
    box.extract(RawTar().file("a", "old").hardlink("b", "a"));
    box.extract(RawTar().file("b", "new"));
    CHECK(box.text("a") == "old");
    CHECK(box.text("b") == "new");
  }
  box.check_outside();
}

TEST_CASE("an entry replaces what has its name, the last one wins") {
  const Sandbox box;
  const auto layer =
      RawTar().directory("d").file("d/in", "x").file("f", "1").symlink("s", "f").file("f2", "long content");
  box.extract(layer);
  box.extract(RawTar()
                  .file("d", "now a file")
                  .directory("f")
                  .file("f/in", "y")
                  .add({.name = "s", .type = '6', .mode = 0600})
                  .file("f2", "first")
                  .file("f2", "2"));
  CHECK(box.text("d") == "now a file");
  CHECK(box.text("f/in") == "y");
  CHECK(S_ISFIFO(box.stat("s").st_mode));
  CHECK(box.text("f2") == "2");
  // A directory that stays one keeps its content and takes the new metadata.
  box.extract(RawTar().add({.name = "f", .type = '5', .mode = 0711, .uid = 8, .mtime = 99}));
  CHECK(box.text("f/in") == "y");
  CHECK(box.stat("f").st_mode == (S_IFDIR | 0711U));
  CHECK(box.stat("f").st_mtime == 99);
  CHECK(box.refused(RawTar().file("d/below", "")) ==
        "layer test.tar, entry 'd/below': cannot make its directory 'd': Not a directory");
}

TEST_CASE("missing parents are made, existing ones keep their time") {
  const Sandbox box;
  const auto before = ::umask(077);
  box.extract(RawTar().file("a/b/c", "x"));
  ::umask(before);
  CHECK(box.stat("a").st_mode == (S_IFDIR | 0755U));
  CHECK(box.stat("a/b").st_uid == 0);
  CHECK(box.stat("a").st_mtime == 315532800);
  box.extract(RawTar().add({.name = "a", .type = '5', .mode = 02775, .gid = 50, .mtime = 77}));
  box.extract(RawTar().file("a/new", "x").directory("a/sub").file("a/.wh.b", ""));
  CHECK(box.stat("a").st_mtime == 77);
  // Not inherited from the set-gid directory.
  CHECK(box.stat("a/new").st_gid == 0);
  CHECK(box.stat("a/sub").st_mode == (S_IFDIR | 0755U));
}

TEST_CASE("whiteouts remove what lower layers had") {
  const Sandbox box;
  box.extract(RawTar()
                  .directory("d")
                  .file("d/one", "1")
                  .file("d/two", "2")
                  .directory("d/sub")
                  .file("d/sub/deep", "3")
                  .file("plain", "4"));
  SECTION("a file, a tree, and nothing") {
    box.extract(
        RawTar().file("d/.wh.one", "").file(".wh.plain", "").file("d/.wh.sub", "").file("d/.wh.ghost", ""));
    CHECK(box.list() == "d\nd/two\n");
  }
  SECTION("in a directory that is none, or not there") {
    box.extract(RawTar().file("gone/.wh.x", "").file("plain/.wh.x", "").file("d/one/.wh..wh..opq", ""));
    CHECK_FALSE(box.exists("gone"));
    CHECK(box.text("plain") == "4");
    box.extract(RawTar().file("d", "file now").file("d/.wh.one", "").file("d/sub/.wh.deep", ""));
    CHECK(box.text("d") == "file now");
  }
  SECTION("what this layer has stays, whatever the order") {
    box.extract(
        RawTar().file("d/one", "new").file("d/.wh.one", "").file("d/.wh.two", "").file("d/two", "new too"));
    CHECK(box.text("d/one") == "new");
    CHECK(box.text("d/two") == "new too");
  }
  SECTION("of a directory that this layer makes anew") {
    box.extract(RawTar().directory("d/sub").file("d/sub/mine", "m").file("d/.wh.sub", ""));
    CHECK(box.text("d/sub/mine") == "m");
    CHECK_FALSE(box.exists("d/sub/deep"));
  }
  SECTION("opaque first") {
    box.extract(RawTar().directory("d").file("d/.wh..wh..opq", "").file("d/new", "n"));
    CHECK(box.list() == "d\nd/new\nplain\n");
  }
  SECTION("opaque last, with nested entries") {
    box.extract(RawTar().file("d/new", "n").file("d/sub/mine", "m").file("d/.wh..wh..opq", ""));
    CHECK(box.text("d/new") == "n");
    CHECK(box.text("d/sub/mine") == "m");
    CHECK_FALSE(box.exists("d/one"));
    CHECK_FALSE(box.exists("d/sub/deep"));
  }
  SECTION("opaque root") {
    box.extract(RawTar().file("./.wh..wh..opq", "").file("only", "o"));
    CHECK(run_tool({"ls", "-A", box.root.string()}) == "only\n");
  }
  SECTION("other files of aufs have no meaning") {
    box.extract(RawTar().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file(".wh..wh.aufs", "y"));
    CHECK(run_tool({"ls", "-A", box.root.string()}) == "d\nplain\n");
  }
}

TEST_CASE("overlay mode says the same to overlayfs") {
  const Sandbox box;
  SECTION("whiteouts are 0/0 devices, opaque directories are marked") {
    box.overlay(
        RawTar().file("etc/.wh.gone", "").directory("d").file("d/.wh..wh..opq", "").file("d/new", "n"));
    CHECK(box.is_whiteout("etc/gone"));
    CHECK(box.xattr("d", "trusted.overlay.opaque") == "y");
    CHECK(box.xattr("etc", "trusted.overlay.opaque") == "(none)");
    CHECK_FALSE(box.exists("d/.wh..wh..opq"));
  }
  SECTION("opaque before its directory's entry, which keeps the mark") {
    box.overlay(
        RawTar().file("d/.wh..wh..opq", "").add({.name = "d", .type = '5', .mode = 0700, .mtime = 5}));
    CHECK(box.xattr("d", "trusted.overlay.opaque") == "y");
    CHECK(box.stat("d").st_mode == (S_IFDIR | 0700U));
    CHECK(box.stat("d").st_mtime == 5);
  }
  SECTION("devices are empty files") {
    box.overlay(RawTar().add({.name = "zero", .type = '3', .mode = 0666}).add({.name = "pipe", .type = '6'}));
    CHECK(box.stat("zero").st_mode == (S_IFREG | 0666U));
    CHECK(box.stat("zero").st_size == 0);
    CHECK(S_ISFIFO(box.stat("pipe").st_mode));
  }
  SECTION("a file of the same layer wins") {
    box.overlay(RawTar().file("a", "1").file(".wh.a", "").file(".wh.b", "").file("b", "2"));
    CHECK(box.text("a") == "1");
    CHECK(box.text("b") == "2");
  }
  SECTION("a directory of the same layer becomes opaque") {
    box.overlay(RawTar()
                    .directory("a")
                    .file(".wh.a", "")
                    .file(".wh.b", "")
                    .directory("b")
                    .file(".wh.c", "")
                    .file("c/inner", "x")
                    .file("c/deep/er", "y"));
    for (const auto* name : {"a", "b", "c"}) CHECK(box.xattr(name, "trusted.overlay.opaque") == "y");
    CHECK(box.text("c/inner") == "x");
    CHECK(box.text("c/deep/er") == "y");
    CHECK(box.stat("c").st_mode == (S_IFDIR | 0755U));
  }
  SECTION("a whiteout below what is a file in this layer") {
    box.overlay(
        RawTar().file("f", "file").file("f/.wh.x", "").file("f/.wh..wh..opq", "").file("f/g/.wh.x", ""));
    CHECK(box.text("f") == "file");
  }
  SECTION("overlayfs shows what `apply` makes") {
    const auto lower = RawTar()
                           .directory("d")
                           .file("d/one", "1")
                           .file("d/two", "2")
                           .directory("e")
                           .file("e/x", "x")
                           .file("f", "f");
    const auto upper = RawTar()
                           .file("d/.wh.one", "")
                           .file("d/three", "3")
                           .file("e/.wh..wh..opq", "")
                           .file("e/y", "y")
                           .file(".wh.f", "")
                           .directory("f")
                           .file("f/in", "in");
    const Sandbox low;
    const Sandbox high;
    const Sandbox flat;
    low.overlay(lower);
    high.overlay(upper);
    flat.extract(lower);
    flat.extract(upper);
    const auto merged = box.base.path() / "merged";
    make_directories(merged);
    const auto list = "find . -mindepth 1 -printf '%P %y %m %U %G\\n' | sort";
    run_script("mount -t overlay overlay -o ro,lowerdir=" + high.root.string() + ":" + low.root.string() +
               " " + merged.string());
    const auto seen = run_script("cd " + merged.string() + "; " + list);
    run_script("umount " + merged.string());
    CHECK(seen == run_script("cd " + flat.root.string() + "; " + list));
  }
}

TEST_CASE("limits on bytes and entries") {
  const Sandbox box;
  const auto three = RawTar().file("a", "12345").file("b", "12345").file("c", "1");
  CHECK(box.refused(three, {.max_bytes = 10}) == "layer test.tar, entry 'c': the layer holds more than 10 B");
  CHECK(box.refused(three, {.max_entries = 2}) ==
        "layer test.tar, entry 'c': the layer has more than 2 entries");
  box.extract(three, {.max_bytes = 11, .max_entries = 3});
  // Refused by its claim, before a byte of it is written.
  const auto claim = RawTar().header({.name = "huge"}, std::uint64_t{1} << 60).finish();
  CHECK_THAT(box.refused(claim), Contains("entry 'huge': the layer holds more than 275 GB"));
  CHECK_FALSE(box.exists("huge"));
  const auto sparse = RawTar()
                          .add({.name = "s",
                                .content = "0\n" + std::string(510, '\0'),
                                .pax = {{"GNU.sparse.major", "1"},
                                        {"GNU.sparse.minor", "0"},
                                        {"GNU.sparse.name", "holes"},
                                        {"GNU.sparse.realsize", "9000000000000000"}}})
                          .finish();
  CHECK_THAT(box.refused(sparse), Contains("the layer holds more than"));
  CHECK(box.refused(RawTar().add({.name = "id", .uid = 0xFFFFFFFF})) ==
        "layer test.tar, entry 'id': it has the owner 4294967295:0");
  CHECK_THAT(box.refused(RawTar().add({.name = "id", .gid = std::uint64_t{1} << 40U})),
             Contains("it has the owner"));
}

TEST_CASE("compressed layers, and damaged ones") {
  const auto tar =
      RawTar().directory("d").file("d/a", std::string(300000, 'a') + "end").file("z", "z").finish();
  const std::string program = GENERATE("gzip", "zstd", "cat");
  const auto packed = program == "cat" ? tar : compress(program.c_str(), tar);
  const Sandbox box;
  box.extract(packed);
  CHECK(box.text("z") == "z");
  CHECK(box.text("d/a").size() == 300003);
  for (const auto part : {2, 4, 10}) {
    const auto cut = packed.substr(0, packed.size() / 10 * static_cast<std::size_t>(10 - 10 / part) / 2 + 1);
    CHECK_THAT(box.refused(cut), Contains("test.tar is damaged: "));
  }
  CHECK_THAT(box.refused(std::string("this is no archive at all, but it is long enough to be looked at")),
             Contains("test.tar is damaged: Unrecognized archive format"));
}

TEST_CASE("the digest of the whole blob is checked, also behind the archive's end") {
  auto bytes = RawTar().file("a", "1").finish();
  bytes += std::string(100000, 'x');
  const Descriptor blob{
      std::string(media_type::kLayerTar), Digest::of(std::string_view("other")), bytes.size(), {}, {}};
  const Sandbox box;
  VerifyingSource wrong(std::make_unique<MemorySource>(bytes), blob, "blob 1");
  CHECK_THROWS_WITH(extract_layer(wrong, box.root, "blob 1"),
                    Contains("blob 1 does not match its digest: expected"));
  auto right = blob;
  right.digest = Digest::of(std::string_view(bytes));
  VerifyingSource good(std::make_unique<MemorySource>(bytes), right, "blob 1");
  extract_layer(good, box.root, "blob 1");
  right.size += 1;
  VerifyingSource cut(std::make_unique<MemorySource>(bytes), right, "blob 1");
  CHECK_THROWS_WITH(extract_layer(cut, box.root, "blob 1"), Contains("is cut short"));
}

TEST_CASE("an empty layer and only zeros are layers without entries") {
  const Sandbox box;
  box.extract(std::string());
  box.extract(RawTar());
  box.extract(compress("gzip", RawTar().finish()));
  CHECK(run_tool({"ls", "-A", box.root.string()}).empty());
}

TEST_CASE("extraction stops on request and refuses a missing directory") {
  const Sandbox box;
  std::stop_source stop;
  stop.request_stop();
  const auto bytes = RawTar().file("a", "1").finish();
  MemorySource source(bytes);
  CHECK_THROWS_WITH(extract_layer(source, box.root, "l", {}, stop.get_token()),
                    "unpacking layer l was stopped");
  CHECK_FALSE(box.exists("a"));
  CHECK_THROWS_WITH(extract_layer(source, box.root / "no", "l"),
                    Contains("cannot open " + (box.root / "no").string()));
}

TEST_CASE("deep trees can be made and removed") {
  const Sandbox box;
  std::string deep = "d";
  while (deep.size() < 4000) deep += "/d";
  box.extract(RawTar().file(deep, "x"));
  CHECK(box.exists("d/d/d"));
  // Deeper than any path can say: through a link back into the tree.
  box.extract(RawTar().symlink("in", deep.substr(0, 3000)).file("in/" + deep.substr(0, 900) + "/e/f", "y"));
  CHECK_THAT(box.refused(RawTar().file(deep + "/" + deep, "x")), Contains("File name too long"));
  box.extract(RawTar().file("d", "a file again"));
  CHECK(box.text("d") == "a file again");
}

namespace {

// A tree with everything that tar can carry.
void make_sample_tree(const fs::path& tree) {
  run_script(concat("mkdir -p ", tree.string(), "; cd ", tree.string(), R"sh(
mkdir -p usr/lib/deep/er usr/bin var/empty 'name with space'; chmod 1777 var; chmod 2755 usr/lib
ln -s usr/lib lib; ln -s /usr/bin bin; ln -s nowhere dangling
head -c 3000000 /dev/urandom > usr/lib/big; : > usr/lib/empty; echo hi > 'name with space/ünï-cødé'
echo tool > usr/bin/tool; chmod 4711 usr/bin/tool; ln usr/bin/tool usr/bin/tool-link
echo long > usr/lib/deep/er/$(printf 'n%.0s' {1..200})
mkfifo -m 640 pipe; mknod -m 600 dev c 5 1; chown 1234:4321 usr/lib/big; chown -h 7:8 dangling
truncate -s 5M sparse; echo tail >> sparse; setcap cap_net_raw+ep usr/lib/empty
python3 -c 'import os; os.setxattr("usr/lib/big", "user.note", b"hello")'
find . -exec touch -h -d @1234567890 {} + ; touch -d @987654321 usr/lib
)sh"));
}

// Everything about a tree, one line per entry; attributes last.
std::string describe(const fs::path& tree) {
  return run_script(concat("cd ", tree.string(), R"sh(
find . -mindepth 1 -printf '%P|%y|%m|%U:%G|%T@|%n|%l|' \( -type d -printf '\n' -o -printf '%s\n' \) | sort
find . -type f -print0 | sort -z | xargs -0 sha256sum
stat -c '%n %t %T' dev
)sh"));
}

std::string describe_xattrs(const fs::path& tree) {
  return run_tool({"python3", "-c", R"py(
import os, sys
for where, directories, files in os.walk(os.fsencode(sys.argv[1])):
    for name in sorted(directories + files):
        path = os.path.join(where, name)
        for key in sorted(os.listxattr(path, follow_symlinks=False)):
            if key != "security.selinux":
                print(name, key, os.getxattr(path, key, follow_symlinks=False))
)py",
                   tree.string()});
}

}  // namespace

TEST_CASE("real trees come out as GNU tar and umoci have them") {
  const Sandbox box;
  const auto base = box.base.path();
  make_sample_tree(base / "tree");
  const std::string format = GENERATE("gnu", "pax", "gnu --sparse", "pax --sparse");
  const bool pax = format.starts_with("pax");
  run_script(concat("cd ", base.string(), "; tar --format=", format,
                    pax ? " --xattrs --xattrs-include='*'" : "", " --numeric-owner -C tree -cf layer.tar ."));
  FileSource source(base / "layer.tar");
  extract_layer(source, box.root, "layer.tar");
  CHECK(describe(box.root) == describe(base / "tree"));
  CHECK(describe_xattrs(box.root) == (pax ? describe_xattrs(base / "tree") : ""));

  run_script(concat("cd ", base.string(), R"sh(
mkdir by-tar; tar --xattrs --xattrs-include='*' --numeric-owner -C by-tar -xpf layer.tar
)sh"));
  CHECK(describe(box.root) == describe(base / "by-tar"));

  if (contains(format, "sparse")) return;  // more than umoci 0.4.7 can read
  run_script(concat("cd ", base.string(), R"sh(
umoci init --layout img; umoci new --image img:t
umoci raw add-layer --image img:t layer.tar; umoci unpack --image img:t bundle
)sh"));
  CHECK(describe(box.root) == describe(base / "bundle" / "rootfs"));
}
