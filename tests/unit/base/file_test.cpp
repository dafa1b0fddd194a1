#include "base/file.hpp"

#include "base/error.hpp"
#include "base/locked_file.hpp"
#include "base/text.hpp"
#include "tests/support/tools.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace dash;
using Catch::Matchers::Contains;
using dash::testing::run_script;
using dash::testing::run_tool;

namespace {
struct Place {
  TempDirectory base{"/tmp"};
  fs::path at(const std::string& name) const { return base.path() / name; }
  std::string list() const { return run_tool({"ls", "-A", base.path().string()}); }
};

mode_t mode_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}
}  // namespace

TEST_CASE("whole files") {
  const Place place;
  write_file_atomic(place.at("f"), "content");
  CHECK(read_file(place.at("f")) == "content");
  CHECK(read_file(place.at("f"), 7) == "content");
  CHECK_THROWS_WITH(read_file(place.at("f"), 6), place.at("f").string() + " is larger than 6 B");
  CHECK_THROWS_WITH(read_file(place.at("g")),
                    "cannot open " + place.at("g").string() + ": No such file or directory");
  CHECK_FALSE(read_file_if_exists(place.at("g")));
  CHECK_FALSE(read_file_if_exists(place.at("f") / "below"));
  CHECK(read_file_if_exists(place.at("f")) == "content");
}

TEST_CASE("atomic writes replace whole files, whatever the umask, and leave nothing behind") {
  const Place place;
  const auto before = ::umask(077);
  write_file_atomic(place.at("f"), "one");
  CHECK(mode_of(place.at("f")) == 0644);
  write_file_atomic(place.at("f"), "two", 0600);
  ::umask(before);
  CHECK(mode_of(place.at("f")) == 0600);
  CHECK(read_file(place.at("f")) == "two");
  CHECK_THROWS_WITH(write_file_atomic(place.at("no/f"), "x"), Contains("cannot make a temporary file in "));
  make_directories(place.at("d"));
  CHECK_THROWS_WITH(write_file_atomic(place.at("d"), "x"),
                    Contains("cannot write " + place.at("d").string()));
  CHECK(place.list() == "d\nf\n");
}

TEST_CASE("temporary files and directories vanish unless they are kept") {
  const Place place;
  {
    TempFile file(place.base.path());
    file.write(as_bytes("half"));
    TempFile moved(std::move(file));
    CHECK(place.list().starts_with(".tmp-"));
    const TempDirectory directory(place.base.path());
    write_file_atomic(directory.path() / "x", "x");
  }
  CHECK(place.list().empty());
  TempDirectory kept(place.base.path());
  const auto path = kept.release();
  { const TempDirectory gone(std::move(kept)); }
  CHECK(fs::is_directory(path));
}

TEST_CASE("directories are made with their parents") {
  const Place place;
  make_directories(place.at("a/b/c"));
  make_directories(place.at("a/b/c"));
  make_directories(place.at("a/b/c/"));
  CHECK(fs::is_directory(place.at("a/b/c")));
  write_file_atomic(place.at("file"), "");
  CHECK_THROWS_WITH(make_directories(place.at("file")),
                    "cannot make the directory " + place.at("file").string() + ": File exists");
  CHECK_THROWS_WITH(make_directories(place.at("file/below")), Contains("Not a directory"));
  REQUIRE(::symlink("a", place.at("link").c_str()) == 0);
  make_directories(place.at("link"));
}

TEST_CASE("trees are removed, links are not followed") {
  const Place place;
  run_script(concat("cd ", place.base.path().string(), R"sh(
mkdir -p tree/a/b outside; echo x > outside/keep; echo x > tree/a/f
ln -s ../outside tree/link; ln -s /nowhere tree/dangling; mkfifo tree/pipe
)sh"));
  remove_tree(place.at("tree"));
  CHECK(place.list() == "outside\n");
  CHECK(fs::exists(place.at("outside/keep")));
  remove_tree(place.at("tree"));  // absent is fine
  REQUIRE(::symlink("outside", place.at("link").c_str()) == 0);
  remove_tree(place.at("link"));
  CHECK(place.list() == "outside\n");
  write_file_atomic(place.at("file"), "");
  remove_tree(place.at("file"));
  CHECK(place.list() == "outside\n");
}

TEST_CASE("trees without permissions are removed by their owner") {
  const Place place;
  run_script(concat("cd ", place.base.path().string(), R"sh(
mkdir -p tree/none/in tree/readonly; touch tree/readonly/f tree/none/in/f
chmod 000 tree/none/in tree/none; chmod 555 tree/readonly tree; chown -R 65534:65534 .
)sh"));
  // As a user whom permissions bind, in another process so that this one stays root.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int code = 1;
    if (::setgid(65534) == 0 && ::setuid(65534) == 0) try {
        remove_tree(place.at("tree"));
        code = 0;
      } catch (const Error& error) {
        code = 2;
      }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(place.list().empty());
}

TEST_CASE("trees deeper than any path are removed") {
  const Place place;
  make_directories(place.at("tree"));
  // Each level is 200 bytes: 300 levels are far beyond PATH_MAX; names collide with those used on the way.
  auto here = open_file(place.at("tree"), O_RDONLY | O_DIRECTORY);
  const std::string name(200, 'n');
  for (int i = 0; i < 300; ++i) {
    REQUIRE(::mkdirat(here.get(), name.c_str(), 0755) == 0);
    REQUIRE(::mkdirat(here.get(), ".deep-0", 0755) == 0);
    const UniqueFd file(::openat(here.get(), ".deep-1", O_WRONLY | O_CREAT, 0644));
    REQUIRE(file);
    here = open_at(here.get(), name, O_RDONLY | O_DIRECTORY, 0, name);
  }
  here.reset();
  remove_tree(place.at("tree"));
  CHECK(place.list().empty());
}

TEST_CASE("directories are listed without moving the caller's position") {
  const Place place;
  write_file_atomic(place.at("a"), "");
  write_file_atomic(place.at("b"), "");
  const auto fd = open_file(place.base.path(), O_RDONLY | O_DIRECTORY);
  CHECK(list_directory(fd.get(), "x").size() == 2);
  CHECK(list_directory(fd.get(), "x").size() == 2);
}

TEST_CASE("locks exclude as they say") {
  const Place place;
  const auto path = place.at("lock");
  using Kind = FileLock::Kind;
  {
    const auto shared = FileLock::acquire(path, Kind::shared);
    CHECK(FileLock::try_acquire(path, Kind::shared));
    CHECK_FALSE(FileLock::try_acquire(path, Kind::exclusive));
  }
  {
    const auto exclusive = FileLock::try_acquire(path, Kind::exclusive);
    REQUIRE(exclusive);
    CHECK_FALSE(FileLock::try_acquire(path, Kind::shared));
    // Other programs see it too, and children don't keep it.
    CHECK_THROWS(run_tool({"flock", "-n", path.string(), "true"}));
  }
  run_tool({"flock", "-n", path.string(), "true"});
  CHECK_THROWS_WITH(FileLock::acquire(place.at("no/lock"), Kind::shared), Contains("cannot open"));
}

TEST_CASE("a lock is on the file that has the name") {
  const Place place;
  const auto path = place.at("lock");
  using Kind = FileLock::Kind;
  auto first = FileLock::try_acquire(path, Kind::exclusive);
  REQUIRE(first);
  std::atomic<bool> waits = false;
  std::optional<FileLock> second;
  std::jthread waiting([&] {
    waits = true;
    second = FileLock::acquire(path, Kind::exclusive);
  });
  while (!waits) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it has opened the file, most likely
  fs::remove(path);
  first.reset();
  waiting.join();
  // Whoever comes now meets the lock of the one who waited, not a file of their own.
  CHECK_FALSE(FileLock::try_acquire(path, Kind::exclusive));
  second.reset();
  const auto fd = try_open_locked(path, Kind::exclusive);
  REQUIRE(fd);
  CHECK_FALSE(try_open_locked(path, Kind::shared));
}

TEST_CASE("holders of a lock that remove its file are never two") {
  const Place place;
  const auto path = place.at("lock");
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::atomic<int> held = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int round = 0; round < 300; ++round) {
          const auto lock = FileLock::try_acquire(path, FileLock::Kind::exclusive);
          if (!lock) continue;
          ++held;
          most = std::max(most.load(), ++inside);
          std::this_thread::yield();
          --inside;
          fs::remove(path);
        }
      });
  }
  CHECK(most == 1);
  CHECK(held > 0);
}
