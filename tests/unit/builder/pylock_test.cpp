#include "builder/python/pylock.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/python/direct_url.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {
const std::string kHash(64, 'a');
}

TEST_CASE("pylock: every kind of source") {
  const std::string text = concat(R"(lock-version = "1.0"
[[packages]]
name = "Zope.Interface"
version = "1"
sdist = { url = "https://index.example/z-1.tar.gz", size = 5, hashes = { sha256 = ")",
                                  kHash, R"(" } }
wheels = [{ url = "https://index.example/a%20b/z-1-py3-none-any.whl#x" }]
[[packages]]
name = "archive"
version = "2"
archive = { path = "../../../app/vendor/a-2.tar.gz", hashes = { sha256 = ")",
                                  kHash, R"(" }, subdirectory = "s" }
[[packages]]
name = "local"
directory = { path = "../../../app/local", editable = true }
[[packages]]
name = "repo"
vcs = { type = "git", url = "https://user:secret@git.example/r", requested-revision = "v1", commit-id = "abc" }
)");
  const Lock lock = Lock::parse(text, "/run/dash-build/resolve");
  REQUIRE(lock.packages.size() == 4);
  CHECK(lock.packages[0].archive->path == "/app/vendor/a-2.tar.gz");
  CHECK(lock.packages[1].directory->path == "/app/local");
  CHECK(lock.packages[1].directory->kind == LockedDirectory::Kind::editable);
  CHECK(lock.packages[3].name == "zope-interface");
  CHECK(lock.packages[3].wheels[0].file_name == "z-1-py3-none-any.whl");
  CHECK(lock.packages[3].sdist->size == 5U);
  CHECK(to_hex(*lock.packages[3].sdist->sha256) == kHash);
  CHECK(lock.text == text);

  CHECK(direct_url_json(lock.packages[3]).empty());
  CHECK(direct_url_json(lock.packages[1]) == R"({"dir_info": {}, "url": "file:///app/local"})");
  CHECK(
      direct_url_json(lock.packages[2]) ==
      R"({"url": "https://git.example/r", "vcs_info": {"commit_id": "abc", "requested_revision": "v1", "vcs": "git"}})");
}

TEST_CASE("pylock: what is wrong is said") {
  auto message = [](const std::string& text) {
    try {
      Lock::parse(text, "/");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::corrupt);
      return error.message();
    }
    return std::string();
  };
  const std::string prefix = "the resolved lock (pylock.toml) is not usable: ";
  const std::string version = "lock-version = \"1.0\"\n";
  CHECK(message("lock-version = \"2.0\"\n") == prefix + "its lock-version is '2.0', not 1.x");
  CHECK(message("= 1\n").starts_with(prefix + "line 1: "));
  CHECK(message(version + "[[packages]]\nname = \"a\"\n") == prefix + "a has no source");
  CHECK(message(version + "[[packages]]\nname = \"a\"\nwheels = [{url = \"https://i.example/..\"}]\n") ==
        prefix + "bad file name in https://i.example/..");
  const std::string a = "[[packages]]\nname = \"a\"\ndirectory = {path = \"x\"}\n";
  CHECK(message(version + a + a) == prefix + "a is there twice");
}
