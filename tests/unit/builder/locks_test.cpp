// Locks that are kept, given and shown.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/find_lock.hpp"
#include "builder/packages/zip.hpp"
#include "builder/python/lock_secrets.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/stand_in_wheel.hpp"
#include "builder/step_record.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::brief_error_of;

namespace {

std::string lock_with(const std::string& source) {
  return concat("lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\n", source, '\n');
}

RequirementsFiles requirements(const std::vector<std::string>& lines,
                               const std::vector<std::string>& variables = {}) {
  RequirementsFiles out;
  for (const auto& text : lines) {
    RequirementLine line;
    line.text = text;
    out.lines.push_back(line);
  }
  out.variables = variables;
  return out;
}

}  // namespace

TEST_CASE("lock secrets: passwords go and come back") {
  UvSettings settings;
  settings.environment["UV_INDEX"] = "http://all:pw@index.example/ http://x:y@other.example/simple/";
  const auto asked = requirements(
      {"a @ https://${USER_A}:${TOKEN}@h.example/team/a.whl", "git+https://t2@h.example/other/r@v1"},
      {"TOKEN", "UNSET", "USER_A"});
  const LockSecrets secrets(asked, settings, {{"TOKEN", "s3cret-token"}, {"USER_A", "me"}, {"HOME", "team"}});
  const auto text = lock_with("archive = { url = \"https://me:s3cret-token@h.example/team/a.whl\" }");
  const auto hidden = secrets.hide(text);
  CHECK(hidden == lock_with("archive = { url = \"https://h.example/team/a.whl\" }"));
  auto lock = Lock::parse(hidden, "/");
  secrets.reveal(lock);
  CHECK(lock.packages[0].archive->url == "https://me:s3cret-token@h.example/team/a.whl");

  SECTION("the login of the nearest URL") {
    lock = Lock::parse(
        lock_with("vcs = { type = \"git\", url = \"https://h.example/other/r\", commit-id = \"1\" }"), "/");
    secrets.reveal(lock);
    CHECK(lock.packages[0].vcs->url == "https://t2@h.example/other/r");
  }
  SECTION("index files get the index's; no other server does") {
    lock = Lock::parse(lock_with("wheels = [{ url = \"http://index.example/files/a-1-py3-none-any.whl\" }, "
                                 "{ url = \"https://index.example/a-1-py3-none-any.whl\" }, "
                                 "{ url = \"http://index.example.evil.example/a-1-py3-none-any.whl\" }]"),
                       "/");
    secrets.reveal(lock);
    CHECK(lock.packages[0].wheels[0].url == "http://all:pw@index.example/files/a-1-py3-none-any.whl");
    CHECK(lock.packages[0].wheels[1].url == "https://index.example/a-1-py3-none-any.whl");
    CHECK(lock.packages[0].wheels[2].url == "http://index.example.evil.example/a-1-py3-none-any.whl");
  }
}

TEST_CASE("lock secrets: variables are named instead of told") {
  const LockSecrets secrets(requirements({"-"}, {"SHORT", "TOKEN"}), {},
                            {{"TOKEN", "s3cret-token"}, {"SHORT", "a"}});
  const auto text =
      lock_with("wheels = [{ url = \"https://h.example/xs3cret-tokenx/a/alpha-1-py3-none-any.whl?k=a\" }]");
  const auto hidden = secrets.hide(text);
  CHECK(hidden ==
        lock_with("wheels = [{ url = "
                  "\"https://h.example/x${TOKEN}x/${SHORT}/alpha-1-py3-none-any.whl?k=${SHORT}\" }]"));
  CHECK(secrets.hide(hidden) == hidden);
  auto lock = Lock::parse(hidden, "/");
  secrets.reveal(lock);
  CHECK(lock.packages[0].wheels[0].url == "https://h.example/xs3cret-tokenx/a/alpha-1-py3-none-any.whl?k=a");
}

TEST_CASE("pylock: what is wrong with a given one is the user's to correct") {
  const auto given = [](const std::string& text) {
    return brief_error_of([&] { Lock::parse_given(text, "/", "my.toml"); });
  };
  CHECK_THAT(given("x"),
             Catch::StartsWith("invalid_input: my.toml is not a lock that can be used: line 1: "));
  // Names and versions become file names.
  CHECK(given("lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"../1\"\n") ==
        "invalid_input: my.toml is not a lock that can be used: a has the version '../1'");
  CHECK(
      Lock::parse_given("lock-version = \"1.0\"\nrequires-python = \">=3.11\"\n", "/", "x").requires_python ==
      ">=3.11");
}

TEST_CASE("stand-ins are wheels") {
  const auto wheel = stand_in_wheel("flask-caching", "1!2.0+cpu", {"Requires-Python: >=3.8,<4"});
  CHECK(wheel.file_name == "flask_caching-1!2.0+cpu-py3-none-any.whl");
  const TempDirectory place(fs::temp_directory_path());
  write_file_atomic(place.path() / wheel.file_name, wheel.bytes);
  const ZipReader zip(place.path() / wheel.file_name);
  const auto* metadata = zip.find("flask_caching-1!2.0+cpu.dist-info/METADATA");
  REQUIRE(metadata != nullptr);
  CHECK(zip.read(*metadata) ==
        "Metadata-Version: 2.1\nName: flask-caching\nVersion: 1!2.0+cpu\nRequires-Python: >=3.8,<4\n");
  CHECK(zip.entries().size() == 3);
}

TEST_CASE("the lock of the last build is found by its name") {
  const TempDirectory home(fs::temp_directory_path());
  Store store(home.path());
  StepRecords records(store);
  const auto name = oci::Reference::parse("sales").with_default_tag();
  CHECK_FALSE(find_lock(store, name));
  StepInputs inputs;
  inputs.add("a", "1");
  StepRecord record{"python-packages", inputs.leaves(), {}, {{kLockFact, "text"}}, 1};
  record.keep_lines({{"requirements.txt", {"a", "b"}}});
  records.save(inputs.key("python-packages"), record);
  records.remember(name.to_string(), "python-packages", inputs.key("python-packages"));
  CHECK(find_lock(store, name) == "text");
  CHECK_FALSE(find_lock(store, oci::Reference::parse("other").with_default_tag()));
  CHECK(records.last(name.to_string(), "python-packages")->lines() ==
        ShownLines{{"requirements.txt", {"a", "b"}}});
}
