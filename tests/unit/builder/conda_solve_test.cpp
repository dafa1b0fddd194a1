#include "base/text.hpp"
#include "builder/conda/solve.hpp"
#include "builder/conda/solver_answer.hpp"
#include "builder/conda/solver_answers.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/memory_fetcher.hpp"
#include "tests/support/test_bench.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::brief_error_of;
using dash::testing::TestBench;

namespace {

std::string error(const std::string& answer) {
  return brief_error_of([&] { parse_solver_answer(answer); });
}

CondaPackageUrl package(const std::string& file, const std::string& channel = "main") {
  CondaPackageUrl out;
  out.url = concat("https://conda.example/", channel, "/linux-64/", file);
  return out;
}

std::string names(const std::vector<CondaPackageUrl>& packages) {
  std::vector<std::string> out;
  for (const auto& one : packages) out.push_back(one.dist());
  return join(out, " ");
}

}  // namespace

TEST_CASE("conda's answer in 4.6 names no files") {
  const auto answer = parse_solver_answer(R"({"actions": {
    "FETCH": [{"base_url": "https://c.example/main", "dist_name": "six-1.16.0-py37_0", "name": "six"}],
    "LINK": [{"base_url": "https://c.example/main", "build_number": 0, "build_string": "py37_0", "channel": "main",
              "dist_name": "six-1.16.0-py37_0", "name": "six", "platform": "linux-64", "version": "1.16.0"}],
    "UNLINK": [{"dist_name": "six-1.15.0-py37_0", "name": "six"}], "PREFIX": "/app"}, "dry_run": true, "success": true})");
  REQUIRE(answer.linked.size() == 1);
  CHECK(answer.linked[0].dist == "six-1.16.0-py37_0");
  CHECK(answer.linked[0].base_url == "https://c.example/main");
  CHECK(answer.linked[0].subdir == "linux-64");
  CHECK(answer.linked[0].record.empty());
  CHECK(answer.unlinked == std::vector<std::string>{"six"});
  // conda 4.4
  CHECK(parse_solver_answer(R"({"actions": [{"LINK": [], "UNLINK": [{"name": "a"}]}], "success": true})")
            .unlinked.size() == 1);
}

TEST_CASE("conda's answer up to 4.5 says where packages are of those that it fetches") {
  const std::string fetched =
      R"({"base_url": "https://c.example/free", "channel": "defaults", "dist_name": "six-1.16.0-py37_0",
       "name": "six", "platform": "linux-64"},
      {"base_url": "https://d.example/main", "channel": "https://d.example/main", "dist_name": "six-1.16.0-py37_0",
       "name": "six", "platform": "noarch"})";
  const auto text = [&](const std::string& channel, const std::string& fetch) {
    return concat(
        R"({"actions": {"FETCH": [)", fetch,
        R"(], "LINK": [{"base_url": null, "platform": null, "channel": ")", channel,
        R"(", "dist_name": "six-1.16.0-py37_0", "name": "six"}]}, "dry_run": true, "success": true})");
  };
  for (const auto& [channel, base_url, subdir] :
       {std::tuple("defaults", "https://c.example/free", "linux-64"),
        std::tuple("https://d.example/main", "https://d.example/main", "noarch")}) {
    const auto answer = parse_solver_answer(text(channel, fetched));
    REQUIRE(answer.linked.size() == 1);
    CHECK(answer.linked[0].base_url == base_url);
    CHECK(answer.linked[0].subdir == subdir);
  }
  CHECK_THROWS_WITH(parse_solver_answer(text("defaults", "")), "conda's answer cannot be read");
}

TEST_CASE("conda's answer since 4.7 has records") {
  const auto answer = parse_solver_answer(R"(Collecting package metadata: done
{"actions": {
    "FETCH": [{"name": "six", "version": "1.16.0", "build": "pyh_0", "url": "https://c.example/noarch/six-1.16.0-pyh_0.conda",
               "md5": "00", "depends": []}],
    "LINK": [{"base_url": "https://c.example", "build_string": "pyh_0", "name": "six", "platform": "noarch",
              "version": "1.16.0", "dist_name": "six-1.16.0-pyh_0"}]}, "success": true})");
  REQUIRE(answer.linked.size() == 1);
  CHECK(answer.linked[0].url == "https://c.example/noarch/six-1.16.0-pyh_0.conda");
  CHECK(contains(answer.linked[0].record, "\"depends\":[]"));
}

TEST_CASE("conda's answer: nothing to do, failures, nonsense") {
  const auto nothing =
      parse_solver_answer(R"({"message": "All requested packages already installed.", "success": true})");
  CHECK((nothing.linked.empty() && nothing.unlinked.empty()));
  const auto failed = [](const char* name) {
    return error(concat(R"({"exception_name": ")", name, R"(", "message": "why", "success": false})"));
  };
  CHECK(failed("PackagesNotFoundError") ==
        "invalid_input: conda finds no package for a line of conda-requirements.txt");
  CHECK(failed("UnsatisfiableError") == "invalid_input: conda cannot satisfy conda-requirements.txt");
  CHECK(failed("CondaHTTPError") == "unavailable: conda cannot read a channel");
  CHECK(failed("KeyError") == "step_failed: conda failed: KeyError");
  CHECK(error("Killed").starts_with("corrupt: "));
  CHECK(error("{\"success\": tr").starts_with("corrupt: "));
  CHECK(error(R"({"actions": {"LINK": [{"name": "six"}]}, "success": true})").starts_with("corrupt: "));
}

TEST_CASE("a record is found in a channel's list") {
  const std::string repodata =
      R"({"info": {}, "packages": {"a-1-0.tar.bz2": {"name": "a \" } {", "x": {"y": 1}}, "b-1-0.tar.bz2": {"depends": ["a-1-0.tar.bz2"]}}})";
  const auto found = find_in_repodata(repodata, {"a-1-0.tar.bz2", "b-1-0.tar.bz2", "c-1-0.tar.bz2"});
  REQUIRE(found.size() == 2);
  CHECK(found.at("a-1-0.tar.bz2") == R"({"name": "a \" } {", "x": {"y": 1}})");
  CHECK(found.at("b-1-0.tar.bz2") == R"({"depends": ["a-1-0.tar.bz2"]})");
  CHECK(find_in_repodata(repodata, {"c-1-0.tar.bz2"}).empty());
  CHECK(find_in_repodata(R"({"a": {"b": )", {"a"}).empty());
  CHECK(find_in_repodata(R"({"a": {"b": ")", {"a"}).empty());
  CHECK(find_in_repodata(R"({"a\)", {"a"}).empty());
}

TEST_CASE("an environment after a solve") {
  const ExplicitLock installed{
      {package("python-3.7-0.conda"), package("six-1.15-0.conda"), package("old-1-0.conda")}};
  const auto solved = with_packages(
      installed, {package("six-1.16-0.conda"), package("dash-2-0.conda"), package("python-3.7-0.conda")},
      {"six", "old"});
  CHECK(names(solved.lock.packages) == "dash-2-0 python-3.7-0 six-1.16-0");
  CHECK(names(solved.linked) == "six-1.16-0 dash-2-0");
  CHECK(names(solved.unlinked) == "six-1.15-0 old-1-0");
  CHECK(names(with_packages(installed, {}, {}).lock.packages) == "old-1-0 python-3.7-0 six-1.15-0");
}

TEST_CASE("conda is asked in the sandbox, and channels for what it does not say") {
  dash::testing::MemoryFetcher channel;
  channel.files["https://c.example/main/linux-64/repodata.json"] =
      R"({"packages": {"six-1.16.0-py37_0.tar.bz2": {"depends": [], "md5": "AA"}}})";
  TestBench test(channel);
  const auto answer = [](const std::string& dist) {
    return [dist](const SandboxCommand& command, const fs::path&) {
      command.on_stdout_bytes(
          concat(R"({"success": true, "actions": {"LINK": [{"base_url": "https://c.example/main",)",
                 R"("platform": "linux-64", "name": "six", "dist_name": ")", dist,
                 R"("}], "UNLINK": [{"name": "old"}]}})"));
      return SandboxResult{};
    };
  };
  const CondaSettings settings;
  CondaSolveRequest request{.step = "conda-packages", .settings = settings};
  request.requirements = "six=1.16\n";

  test.sandbox.expect(answer("six-1.16.0-py37_0"));
  const auto change = solve_conda(test.bench, request);
  REQUIRE(change.linked.size() == 1);
  CHECK(change.linked[0].url == "https://c.example/main/linux-64/six-1.16.0-py37_0.tar.bz2");
  CHECK(change.linked[0].digests.md5 == "aa");
  CHECK(change.linked[0].repodata == R"({"depends": [], "md5": "AA"})");
  CHECK(change.unlinked == std::vector<std::string>{"old"});
  const auto command = test.sandbox.commands().at(0);
  CHECK(contains(join(command.argv, " "), "conda install --dry-run --json --yes --no-update-deps --file "));
  CHECK_FALSE(contains(join(command.argv, " "), "--offline"));

  test.sandbox.expect(answer("six-9-0"));
  CHECK(brief_error_of([&] { solve_conda(test.bench, request); }) ==
        "unavailable: the channel https://c.example/main does not list six-9-0, which conda chose");

  // What was read last is kept.
  test.sandbox.expect(answer("six-1.16.0-py37_0"));
  auto offline = test.bench;
  offline.network = Network::none;
  channel.files.clear();
  CHECK(solve_conda(offline, request).linked.size() == 1);
  CHECK(test.sandbox.commands().back().argv.back() == "--offline");

  test.sandbox.expect_exit(137, "Killed");
  CHECK(brief_error_of([&] { solve_conda(test.bench, request); }) ==
        "step_failed: conda failed with exit code 137");
}

TEST_CASE("conda reads mirrors, and its answer names what they are mirrors of") {
  dash::testing::MemoryFetcher channel;
  channel.files["http://mirror.example/main/noarch/repodata.json"] =
      R"({"packages": {"six-1-0.tar.bz2": {"depends": []}}})";
  TestBench test(channel);
  CondaSettings settings;
  settings.mirrors = UrlMirrors::parse({"https://c.example/main=http://mirror.example/main"});
  settings.condarc = test.home.path() / "condarc";
  write_file(settings.condarc, "channels: [https://c.example/main]\n");
  CondaSolveRequest request{.step = "conda-packages", .settings = settings};
  request.requirements = "https://c.example/main::six\n";
  test.sandbox.expect([](const SandboxCommand& command, const fs::path&) {
    const auto text = [&](const char* name) {
      for (const auto& mount : command.mounts)
        if (mount.target == name)
          return read_file(fs::is_directory(mount.source) ? mount.source / "conda-requirements.txt"
                                                          : mount.source);
      return std::string("nothing");
    };
    CHECK(text("/etc/conda/.condarc") == "channels: [http://mirror.example/main]\n");
    CHECK(text("/run/dash-build/conda") == "http://mirror.example/main::six\n");
    command.on_stdout_bytes(
        R"({"success": true, "actions": {"LINK": [{"base_url": "http://mirror.example/main",
      "platform": "noarch", "name": "six", "dist_name": "six-1-0"}]}})");
    return SandboxResult{};
  });
  const auto change = solve_conda(test.bench, request);
  REQUIRE(change.linked.size() == 1);
  CHECK(change.linked[0].url == "https://c.example/main/noarch/six-1-0.tar.bz2");
}

TEST_CASE("an answer is kept for its question alone") {
  TestBench test;
  const StepKey question(sha256("question"));
  const SolverAnswers answers(test.store, question);
  CHECK_FALSE(answers.find());
  CondaChange change{{package("six-1.16-0.conda")}, {"old"}};
  change.linked[0].digests.md5 = std::string(32, 'a');
  change.linked[0].repodata = R"({"depends": []})";
  answers.keep(change);
  const auto found = answers.find();
  REQUIRE(found);
  CHECK(names(found->linked) == "six-1.16-0");
  CHECK(found->linked[0].digests.md5 == change.linked[0].digests.md5);
  CHECK(found->linked[0].repodata == change.linked[0].repodata);
  CHECK(found->unlinked == change.unlinked);
  CHECK_FALSE(SolverAnswers(test.store, StepKey(sha256("other"))).find());

  write_file(test.store.caches() / "conda-answers" / concat(question.hex(), ".json"), "{");
  CHECK_FALSE(answers.find());
}
