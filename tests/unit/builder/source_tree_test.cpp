#include "builder/app/source_tree.hpp"

#include "builder/app/stat_cache.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;

namespace {

std::string shown(const SourceTree& tree) {
  std::string out;
  for (const auto& entry : tree.entries()) {
    if (!out.empty()) out += ' ';
    out += entry.path;
    if (entry.type == EntryType::directory) out += '/';
    if (entry.type == EntryType::symlink) out += "->" + entry.link_target;
    if (entry.executable) out += '*';
  }
  return out;
}

SourceTree scan(const testing::TempApp& app) {
  const auto opened = app.open();
  return SourceTree::scan(opened, IgnoreRules::read(opened));
}

std::string digest(const testing::TempApp& app, unsigned threads = 2) {
  ThreadPool pool(threads);
  return to_hex(scan(app).digest(app.open(), pool));
}

}  // namespace

TEST_CASE("the source tree lists what belongs to the app, sorted by bytes", "[source_tree]") {
  testing::TempApp app;
  app.file("app.py", "")
      .file("a/b", "")
      .file("a-b", "")
      .file("a.b", "")
      .file("bin/run", "", 0755)
      .directory("empty");
  app.link("a/link", "../app.py").link("dangling", "nowhere").link("round", "round").file("\xFF\xFE", "");
  app.file(".git/config", "")
      .file("sub/.git", "gitdir: x")
      .file(".dash-build-cache/x", "")
      .file(".dash-build.tmp", "");
  app.file(".gitignore", "");
  CHECK(shown(scan(app)) ==
        ".gitignore a/ a-b a.b a/b a/link->../app.py app.py bin/ bin/run* dangling->nowhere empty/ "
        "round->round sub/ "
        "\xFF\xFE");
}

TEST_CASE("ignored files are not part of the source tree", "[source_tree]") {
  testing::TempApp app;
  app.file(".slugignore", "*.psd\n/docs/\n").file(".dockerignore", "*\n!app.py\n!data/keep\n!x.psd\n!docs\n");
  app.file("app.py", "")
      .file("Procfile", "web: a")
      .file("data/keep/a", "")
      .file("data/no/b", "")
      .file("x.psd", "");
  app.file("docs/x", "").file("other/y", "").file("sub/Procfile", "");
  const auto tree = scan(app);
  CHECK(shown(tree) == "Procfile app.py data/ data/keep/ data/keep/a");
  CHECK(tree.keep("data/keep/a", EntryType::file));
  CHECK(tree.keep("data/keep/a", EntryType::hardlink));
  CHECK(tree.keep("data", EntryType::directory));
  CHECK_FALSE(tree.keep("data", EntryType::file));
  CHECK_FALSE(tree.keep("data/no/b", EntryType::file));
  CHECK_FALSE(tree.keep("appeared-later", EntryType::file));
}

TEST_CASE("rules apply to a directory that is installed, unless they ignore it as a whole", "[source_tree]") {
  testing::TempApp app;
  app.file(".slugignore", "*.psd\n/whole/\n/part/docs/\n");
  app.file("part/a.py", "").file("part/a.psd", "").file("part/docs/x", "").file("part/sub/b.psd", "");
  app.file("whole/a.py", "").file("whole/a.psd", "");
  const auto opened = app.open();
  const auto rules = IgnoreRules::read(opened);
  CHECK(shown(SourceTree::scan_below(opened, "part", rules)) == "a.py sub/");
  CHECK(shown(SourceTree::scan_below(opened, "part", IgnoreRules())) ==
        "a.psd a.py docs/ docs/x sub/ sub/b.psd");
  CHECK(shown(SourceTree::scan_below(opened, "whole", rules)) == "a.psd a.py");
  CHECK(shown(SourceTree::scan_below(opened, ".", rules)) == ".slugignore part/ part/a.py part/sub/");
}

TEST_CASE("symbolic links out of the app are refused", "[source_tree]") {
  struct Case {
    const char* name;
    const char* target;
    const char* how = "";
  };
  const auto c = GENERATE(values<Case>({{"data", "/srv/data"},
                                        {"data", "../data"},
                                        {"a/data", "../../data"},
                                        {"data", "missing/../../x"},
                                        {"data", "x/y/up/../secret", " over another link"},
                                        {"data", "/"}}));
  CAPTURE(c.name, c.target);
  testing::TempApp app;
  app.link("x/y/up", "../..").link(c.name, c.target);
  make_directories(app.path().parent_path() / "secret");
  CHECK(error_of([&] { scan(app); }) ==
        "invalid_input: the symbolic link '" + std::string(c.name) + "' leads out of the app" + c.how +
            ": its target is '" + c.target +
            "' | copy what it points at into the app, or name the link in .slugignore or .dockerignore");
  app.file(".slugignore", c.name);
  CHECK_FALSE(scan(app).keep(c.name, EntryType::symlink));
}

TEST_CASE("of two links in a row the one that leads out is named", "[source_tree]") {
  testing::TempApp app;
  app.link("bin/python", "python3").link("bin/python3", "/usr/bin/python3");
  CHECK(error_of([&] { scan(app); }) ==
        "invalid_input: the symbolic link 'bin/python3' leads out of the app: its target is "
        "'/usr/bin/python3' | copy what "
        "it points at into the app, or name the link in .slugignore or .dockerignore");
}

TEST_CASE("sockets, pipes and devices are refused", "[source_tree]") {
  testing::TempApp app;
  const auto path = (app.path() / "x").string();
  const std::string rest =
      ", but the image can only hold files, directories and symbolic links | remove it, or name it in "
      ".slugignore or "
      ".dockerignore";
  SECTION("pipe") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(error_of([&] { scan(app); }) == "invalid_input: 'x' is a named pipe" + rest);
  }
  SECTION("socket") {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK(error_of([&] { scan(app); }) == "invalid_input: 'x' is a socket" + rest);
  }
  app.file(".dockerignore", "x");
  CHECK(shown(scan(app)) == ".dockerignore");
}

TEST_CASE("what can't be read is named", "[source_tree]") {
  testing::TempApp app;
  app.file("Procfile", "web: a", 0).directory("secret");
  REQUIRE(::chmod(app.path().c_str(), 0755) == 0);
  REQUIRE(::chmod(app.path().parent_path().c_str(), 0755) == 0);
  REQUIRE(::chmod((app.path() / "secret").c_str(), 0) == 0);
  const auto opened = app.open();
  // As another user, when this is root: root may read everything. Holds for the calling thread only.
  const int before = ::setfsuid(65534);
  const auto file_error = error_of([&] { opened.read("Procfile"); });
  const auto tree_error = error_of([&] { SourceTree::scan(opened, IgnoreRules()); });
  ::setfsuid(static_cast<uid_t>(before));
  const std::string hint = " | give the user who builds permission to read it, or take it out of the app";
  CHECK(app.neutral(file_error) == "denied: cannot open APP/Procfile: Permission denied" + hint);
  CHECK(app.neutral(tree_error) == "denied: cannot open APP/secret: Permission denied" + hint);
}

TEST_CASE("the digest depends on path, kind, execute bit and content only", "[source_tree]") {
  const auto make = [](testing::TempApp& app) {
    app.file("b/x", "1").file("a", "2").file("run", "3", 0755).link("l", "a").directory("e");
  };
  testing::TempApp first;
  make(first);
  const auto base = digest(first);
  SECTION("another place, order of creation, modes, times, threads") {
    testing::TempApp second;
    second.directory("e").link("l", "a").file("run", "3", 0700).file("a", "2", 0600).file("b/x", "1");
    REQUIRE(::chmod((second.path() / "b").c_str(), 0700) == 0);
    const timespec times[2] = {{1, 0}, {1, 0}};
    REQUIRE(::utimensat(AT_FDCWD, (second.path() / "a").c_str(), times, 0) == 0);
    CHECK(digest(second, 1) == base);
    CHECK(digest(second, 8) == base);
  }
  SECTION("content") {
    first.file("a", "3");
    CHECK(digest(first) != base);
  }
  SECTION("execute bit") {
    first.file("a", "2", 0755);
    CHECK(digest(first) != base);
  }
  SECTION("link target") {
    fs::remove(first.path() / "l");
    first.link("l", "b");
    CHECK(digest(first) != base);
  }
  SECTION("an empty directory") {
    fs::remove(first.path() / "e");
    CHECK(digest(first) != base);
  }
  SECTION("a name") {
    fs::rename(first.path() / "a", first.path() / "c");
    CHECK(digest(first) != base);
  }
  SECTION("a link instead of a file") {
    fs::remove(first.path() / "a");
    first.link("a", "2");
    CHECK(digest(first) != base);
  }
}

TEST_CASE("many files are hashed alike with any number of threads", "[source_tree]") {
  testing::TempApp app;
  for (int i = 0; i < 300; ++i)
    app.file("f" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 97, 'x'));
  app.file("large", std::string(std::size_t{9} << 20, 'y'));
  CHECK(digest(app, 1) == digest(app, 4));
  CHECK(scan(app).content_bytes() == std::uint64_t{300} * 299 / 2 * 97 + (std::uint64_t{9} << 20));
}

TEST_CASE("a file that changes between scan and digest is an error", "[source_tree]") {
  testing::TempApp app;
  app.file("a", "1");
  const auto opened = app.open();
  const auto tree = SourceTree::scan(opened, IgnoreRules());
  ThreadPool pool(1);
  const std::string error =
      "invalid_input: 'a' changed while the app was read | build again when nothing writes to the app "
      "directory any more";
  app.file("a", "22");
  CHECK(error_of([&] { tree.digest(opened, pool); }) == error);
  fs::remove(app.path() / "a");
  CHECK(error_of([&] { tree.digest(opened, pool); }) == error);
}

TEST_CASE("scans and digests can be stopped", "[source_tree]") {
  testing::TempApp app;
  app.file("a", "1");
  const auto opened = app.open();
  ThreadPool pool(1);
  std::stop_source source;
  source.request_stop();
  CHECK(error_of([&] { SourceTree::scan(opened, IgnoreRules(), source.get_token()); }) ==
        "canceled: canceled while reading the app's source | ");
  CHECK(error_of([&] { SourceTree::scan(opened, IgnoreRules()).digest(opened, pool, source.get_token()); }) ==
        "canceled: canceled while reading the app's source | ");
}

TEST_CASE("paths are normalised by their text", "[source_tree]") {
  CHECK(normal_path("a//b/./c/../d/") == "a/b/d");
  CHECK(normal_path("") == ".");
  CHECK(normal_path("a/..") == ".");
  CHECK_FALSE(normal_path("a/../.."));
  CHECK_FALSE(normal_path("/a"));
}

TEST_CASE("files that were read before are not read again", "[source_tree]") {
  testing::TempApp app;
  app.file("a", "first").file("d/b", "second").link("l", "a");
  const TempDirectory home(fs::temp_directory_path());
  const auto file = home.path() / "trees/app";
  ThreadPool pool(2);
  const auto opened = app.open();
  const auto digest_with = [&](const SourceTree& tree) {
    StatCache cache(file);
    return to_hex(tree.digests(opened, pool, {}, &cache).tree);
  };
  const auto known = [&] {
    const auto tree = scan(app);
    std::size_t out = 0;
    for (const auto& digest : StatCache(file).find(tree.entries())) out += digest ? 1 : 0;
    return out;
  };
  // Written just now: a later change could have the same stamp.
  const auto fresh = scan(app);
  CHECK(digest_with(fresh) == digest(app));
  CHECK(known() == 0);

  ::usleep(150'000);
  CHECK(digest_with(scan(app)) == digest(app));
  CHECK(known() == 2);

  SECTION("times that change by themselves cost reading, and the digest stays") {
    const auto before = digest_with(scan(app));
    const timespec times[] = {{1, 0}, {1, 0}};
    REQUIRE(::utimensat(AT_FDCWD, (app.path() / "a").c_str(), times, 0) == 0);
    CHECK(known() == 1);
    CHECK(digest_with(scan(app)) == before);
  }
  SECTION("a change that keeps size and modification time is seen") {
    struct stat info {};
    REQUIRE(::stat((app.path() / "a").c_str(), &info) == 0);
    app.file("a", "fIrst");
    const timespec times[] = {info.st_atim, info.st_mtim};
    REQUIRE(::utimensat(AT_FDCWD, (app.path() / "a").c_str(), times, 0) == 0);
    CHECK(digest_with(scan(app)) == digest(app));
  }
  SECTION("what is damaged counts as empty") {
    const auto whole = read_file(file);
    for (const std::size_t size : {std::size_t{0}, std::size_t{10}, whole.size() / 2, whole.size() - 1}) {
      write_file(file, whole.substr(0, size));
      CHECK(known() == 0);
    }
    auto changed = whole;
    changed[40] = static_cast<char>(changed[40] ^ 1);
    write_file(file, changed);
    CHECK(known() == 0);
    CHECK(digest_with(scan(app)) == digest(app));
  }
  SECTION("a place that cannot be written is no fault") {
    StatCache cache("/proc/none/file");
    CHECK(to_hex(scan(app).digests(opened, pool, {}, &cache).tree) == digest(app));
  }
}

TEST_CASE("the digest of a single file is remembered", "[source_tree]") {
  testing::TempApp app;
  app.file("tool", "first");
  const auto file = app.path() / "tool";
  const auto memory = stat_cache_file(app.path() / "records", file);
  const auto known = [&] {
    SourceEntry entry;
    entry.path = "tool";
    struct stat info {};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    entry.stamp = stamp_of(info);
    return StatCache(memory).find({entry}).front();
  };
  CHECK(known_digest(file, memory) == sha256("first"));
  CHECK_FALSE(known());
  ::usleep(150'000);
  CHECK(known_digest(file, memory) == sha256("first"));
  CHECK(known() == sha256("first"));
  CHECK(known_digest(file, memory) == sha256("first"));
  app.file("tool", "other");
  CHECK(known_digest(file, memory) == sha256("other"));
  CHECK_THROWS_AS(known_digest(app.path() / "none", memory), Error);
}

TEST_CASE("stamps that may be too young", "[source_tree]") {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t now = 1'700'000'000 * kSecond;
  const auto changed = [](std::int64_t ns) { return FileStamp{1, 2, 3, 4, ns}; };
  CHECK(is_settled(changed(now - kSecond / 2 + 1), now));
  CHECK_FALSE(is_settled(changed(now - kSecond / 20), now));
  CHECK_FALSE(is_settled(changed(now + 5), now));
  CHECK_FALSE(is_settled(changed(now - 2 * kSecond), now));  // of a clock of whole seconds
  CHECK(is_settled(changed(now - 4 * kSecond), now));
}
