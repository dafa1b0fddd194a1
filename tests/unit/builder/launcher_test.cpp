#include "builder/system/launcher.hpp"

#include "base/process.hpp"
#include "base/text.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

// A script with /app and /etc/profile.d moved into a temporary directory, run by the host's bash.
class Launcher {
 public:
  Launcher() {
    make_directories(app() / ".profile.d");
    make_directories(profile());
  }
  fs::path app() const { return home_.path() / "app"; }
  fs::path profile() const { return home_.path() / "profile.d"; }

  std::string run(std::string script, const std::vector<std::string>& words, int expected_exit = 0) {
    replace(script, "/etc/profile.d", profile().string());
    replace(script, "/app", app().string());
    ProcessOptions options;
    options.argv = {"bash", "-c", script, "launcher"};
    options.argv.insert(options.argv.end(), words.begin(), words.end());
    options.environment = {"PATH=/usr/bin:/bin", "PORT=5000"};
    std::string output;
    options.on_stdout = options.on_stderr = [&](std::string_view line) { output += concat(line, '\n'); };
    CHECK(run_process(options, {}).exit_code == expected_exit);
    return output;
  }
  std::string start(std::string_view procfile, const std::vector<std::string>& words = {},
                    int expected_exit = 0) {
    write_file_atomic(app() / "Procfile", procfile);
    return run(start_script(), words, expected_exit);
  }

 private:
  static void replace(std::string& text, std::string_view from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  TempDirectory home_{"/tmp"};
};

}  // namespace

TEST_CASE("/start runs a Procfile line as a person expects") {
  struct Case {
    std::string procfile;
    std::string output;
  };
  const auto test = GENERATE(values<Case>({
      {"web: echo one", "one\n"},
      {"web: echo one\r\nworker: echo two\r\n", "one\n"},
      {"\xef\xbb\xbfweb: echo bom", "bom\n"},
      {"# web: echo no\n\n  web:   echo spaces  \n", "spaces\n"},
      {"website: echo no\nweb: echo yes", "yes\n"},
      {"web: echo first\nweb: echo second", "first\n"},
      {"web: echo $PORT \"$PORT x\" '$PORT'", "5000 5000 x $PORT\n"},
      {"web: cd / && pwd", "/\n"},
      {"web: A=1 B=2 env | grep -c -e ^A=1 -e ^B=2", "2\n"},
      {"web: echo a # comment", "a\n"},
      {"web: echo a // comment", "a\n"},
      {"web: echo 'a # b' \"c // d\" e#f g//h", "a # b c // d e#f g//h\n"},
      {"web: echo a \\# b", "a # b\n"},
      {"web: echo \"a \\\" # b\"", "a \" # b\n"},
      {"web: echo 'module:make()'", "module:make()\n"},
      {"web: printf '%s\\n' a\\ b", "a b\n"},
      {"web: echo module:make() -w 2", "module:make() -w 2\n"},
      {"web: echo a.b:make(\"x\", 1) c:d()", "a.b:make(\"x\", 1) c:d()\n"},
      {"web: make() { echo a function; }; make", "a function\n"},
      {"web: echo $DYNO", "web.1\n"},
      {"web: cat", ""},
  }));
  INFO(test.procfile);
  CHECK(Launcher().start(test.procfile) == test.output);
}

TEST_CASE("/start finds the type it is given") {
  Launcher launcher;
  const std::string procfile = "web: echo web\nworker: echo worker\nwor*: echo star\n";
  CHECK(launcher.start(procfile) == "web\n");
  CHECK(launcher.start(procfile, {"worker"}) == "worker\n");
  CHECK(launcher.start(procfile, {"wor*"}) == "star\n");
  CHECK(launcher.start(procfile, {"nope"}, 1) ==
        "Proc entrypoint nope does not exist. Please check your Procfile\n");
  CHECK(launcher.start("web:\n", {}, 1) ==
        "Proc entrypoint web does not exist. Please check your Procfile\n");
  CHECK(launcher.start("web: exit 7", {}, 7).empty());
  fs::remove(launcher.app() / "Procfile");
  CHECK(contains(launcher.run(start_script(), {}, 1), "No Procfile found in "));
}

TEST_CASE("the command replaces the shell, so that signals reach it") {
  // Each level would be one more process: the command's parent must be the caller of /start.
  const auto line = GENERATE(as<std::string>(), "web: python3 -c 'import os; print(os.getppid())'",
                             "web: cd / && python3 -c 'import os; print(os.getppid())'",
                             "web: X=1 python3 -c 'import os; print(os.getppid())'");
  INFO(line);
  CHECK(Launcher().start(line) == concat(static_cast<int>(::getpid()), '\n'));
}

TEST_CASE("profile scripts are sourced in order, in /app, whatever they do") {
  Launcher launcher;
  write_file_atomic(launcher.profile() / "b.sh", "export ORDER=b\n");
  write_file_atomic(launcher.profile() / "a.sh", "export ORDER=a; cd /; set -- x y\n");
  write_file_atomic(launcher.profile() / "ignored", "export ORDER=ignored\n");
  write_file_atomic(launcher.app() / ".profile.d" / "c.sh", "export ORDER=$ORDER-c HOME_WAS=$HOME\n");
  write_file_atomic(launcher.app() / ".profile", "export ORDER=$ORDER-profile; false\n");
  const auto app = launcher.app().string();
  CHECK(launcher.start("web: echo $ORDER $HOME_WAS $PWD") == concat("b-c-profile ", app, ' ', app, '\n'));
  CHECK(launcher.run(exec_script(), {"sh", "-c", "echo $ORDER \"$1\"", "sh", "a  b"}) ==
        "b-c-profile a  b\n");
  CHECK(launcher.run(exec_script(), {}, 2) == "usage: /exec COMMAND [ARGUMENT]...\n");
}

TEST_CASE("the app user is added to passwd and group once") {
  CHECK(with_app_user("root:*:0:0::/root:/bin/sh") ==
        "root:*:0:0::/root:/bin/sh\nherokuishuser:*:32767:32767::/app:/bin/bash\n");
  CHECK(with_app_group("") == "herokuishuser:*:32767:\n");
  const std::string known = "herokuishuser:x:1:1::/:/bin/sh\n";
  CHECK(with_app_user(known) == known);
  CHECK(with_app_user("herokuishuser2:x:1:1::/:/bin/sh\n") ==
        "herokuishuser2:x:1:1::/:/bin/sh\nherokuishuser:*:32767:32767::/app:/bin/bash\n");
}
