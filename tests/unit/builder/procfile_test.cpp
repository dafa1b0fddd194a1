#include "builder/app/procfile.hpp"

#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;

namespace {

constexpr const char* kHint = " | a line reads TYPE: COMMAND, for example \"web: gunicorn app:server\"";

std::string shown(const Procfile& procfile) {
  std::string out;
  for (const auto& entry : procfile.entries())
    out += std::to_string(entry.line) + " " + entry.type + " [" + entry.command + "]\n";
  return out;
}

}  // namespace

TEST_CASE("Procfile lines become entries in file order", "[procfile]") {
  struct Case {
    const char* text;
    const char* entries;
  };
  const auto c = GENERATE(values<Case>({
      {"web: gunicorn app:server\n", "1 web [gunicorn app:server]\n"},
      {"web: gunicorn app:server", "1 web [gunicorn app:server]\n"},
      {"web:gunicorn app:server", "1 web [gunicorn app:server]\n"},
      {"\xEF\xBB\xBFweb: gunicorn app:server --workers 4\r\nworker: celery -A app worker\r\n",
       "1 web [gunicorn app:server --workers 4]\n2 worker [celery -A app worker]\n"},
      {"\n\n  web:\t gunicorn app:server \t \n\n\n", "3 web [gunicorn app:server]\n"},
      {"# comment\n// comment\n  # comment\nworker: b\nweb: a\n", "4 worker [b]\n5 web [a]\n"},
      {"web: gunicorn app:server # the app\n", "1 web [gunicorn app:server]\n"},
      {"web: gunicorn app:server\t// the app\n", "1 web [gunicorn app:server]\n"},
      {"web: curl http://localhost#top\n", "1 web [curl http://localhost#top]\n"},
      {"web: bash -c \"echo '# no' && exec gunicorn app:server\" # yes\n",
       "1 web [bash -c \"echo '# no' && exec gunicorn app:server\"]\n"},
      {"web: echo \\\" # yes\n", "1 web [echo \\\"]\n"},
      {"web: gunicorn \"pkg:create_app()\" -b 0.0.0.0:$PORT && true\n",
       "1 web [gunicorn \"pkg:create_app()\" -b 0.0.0.0:$PORT && true]\n"},
      {"web: a\nrelease: b\nclock_1: c\nX-y: d\n", "1 web [a]\n2 release [b]\n3 clock_1 [c]\n4 X-y [d]\n"},
  }));
  CAPTURE(c.text);
  CHECK(shown(Procfile::parse(c.text)) == c.entries);
}

TEST_CASE("a Procfile type has up to 63 characters", "[procfile]") {
  CHECK(Procfile::parse(std::string(63, 'w') + ": a\n").entries().size() == 1);
  CHECK(error_of([] { Procfile::parse(std::string(64, 'w') + ": a\n"); }) ==
        "invalid_input: Procfile:1: the process type '" + std::string(64, 'w') +
            "' has 64 characters, but at most 63 are possible" + kHint);
}

TEST_CASE("bad Procfile lines are errors with number, text and example", "[procfile]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"web gunicorn app\n", "Procfile:1: no ':' after the process type in 'web gunicorn app'"},
      {"web: a\n\nworker\n", "Procfile:3: no ':' after the process type in 'worker'"},
      {": a\n", "Procfile:1: no process type in front of ':' in ': a'"},
      {"web : a\n", "Procfile:1: a blank in front of ':' in 'web : a'"},
      {"we b: a\n", "Procfile:1: 'we b' is not a process type (letters, digits, '-' and '_') in 'we b: a'"},
      {"w\xC3\xA9"
       "b: a\n",
       "Procfile:1: 'w\xC3\xA9"
       "b' is not a process type (letters, digits, '-' and '_') in 'w\xC3\xA9"
       "b: a'"},
      {"web:\n", "Procfile:1: no command for 'web' in 'web:'"},
      {"web:   \r\n", "Procfile:1: no command for 'web' in 'web:'"},
      {"web: # later\n", "Procfile:1: a comment instead of a command for 'web' in 'web: # later'"},
      {"web: // later\n", "Procfile:1: a comment instead of a command for 'web' in 'web: // later'"},
      {"", "Procfile has no process types"},
      {"# nothing\r\n\r\n", "Procfile has no process types"},
  }));
  CAPTURE(c.text);
  CHECK(error_of([&] { Procfile::parse(c.text); }) == std::string("invalid_input: ") + c.error + kHint);
}

TEST_CASE("duplicates and merge conflicts in a Procfile have their own hints", "[procfile]") {
  CHECK(error_of([] { Procfile::parse("web: a\nworker: b\nweb: c\n"); }) ==
        "invalid_input: Procfile:3: the process type 'web' is already on line 1 | give each process type one "
        "line; how "
        "many of them run is set by the scale");
  CHECK(error_of([] { Procfile::parse("<<<<<<< HEAD\nweb: a\n=======\n"); }) ==
        "invalid_input: Procfile:1: '<<<<<<< HEAD' was left by a merge conflict | resolve the conflict: keep "
        "the lines "
        "that are right and remove the markers");
}

TEST_CASE("passwords in Procfile URLs are not shown", "[procfile]") {
  CHECK(error_of([] { Procfile::parse("run x --url redis://u:secret@h.example/1\n"); }) ==
        "invalid_input: Procfile:1: '"
        "run x --url redis' is not a process type (letters, digits, '-' and '_') in "
        "'run x --url redis://***@h.example/1'" +
            std::string(kHint));
}

TEST_CASE("the Procfile is found by type", "[procfile]") {
  const auto procfile = Procfile::parse("web: a\nworker: b\n");
  REQUIRE(procfile.find("worker") != nullptr);
  CHECK(procfile.find("worker")->command == "b");
  CHECK(procfile.find("clock") == nullptr);
  CHECK(is_reserved_process_type("web"));
  CHECK(is_reserved_process_type("release"));
  CHECK_FALSE(is_reserved_process_type("worker"));
}

TEST_CASE("the app's Procfile", "[procfile]") {
  testing::TempApp app;
  CHECK(app.neutral(error_of([&] { read_procfile(app.open()); })) ==
        "invalid_input: there is no Procfile in APP | add a file Procfile with a line like \"web: gunicorn "
        "app:server\" "
        "(the module app.py, its server)");
  app.file("Procfile", std::string_view("\xFF\xFEw\0e\0b\0", 8));
  CHECK(error_of([&] { read_procfile(app.open()); }) ==
        "invalid_input: Procfile is encoded as UTF-16 | save the file as UTF-8 text");
  app.file("Procfile", std::string_view("web: a\0b", 8));
  CHECK(error_of([&] { read_procfile(app.open()); }) ==
        "invalid_input: Procfile is not a text file: it holds NUL bytes | save the file as UTF-8 text");
  app.file("Procfile", "web: gunicorn app:server");
  CHECK(shown(read_procfile(app.open())) == "1 web [gunicorn app:server]\n");
}

TEST_CASE("a Procfile that is a directory or leads out of the app is an error", "[procfile]") {
  testing::TempApp app;
  app.directory("Procfile");
  CHECK(error_of([&] { read_procfile(app.open()); }) ==
        "invalid_input: Procfile is a directory, but a file of that name is expected | rename or remove "
        "Procfile");
  testing::TempApp other;
  other.link("Procfile", "/etc/passwd");
  CHECK(error_of([&] { read_procfile(other.open()); }) ==
        "invalid_input: 'Procfile' leads out of the app directory | copy what it points at into the app: an "
        "image can "
        "only be made of the app's own files");
  testing::TempApp inside;
  inside.file("config/Procfile", "web: a\n").link("Procfile", "config/Procfile");
  CHECK(read_procfile(inside.open()).entries().size() == 1);
}
