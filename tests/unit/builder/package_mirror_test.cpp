#include "builder/package_mirror/package_mirror.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/conda/conda_settings.hpp"
#include "builder/package_mirror/channel_subset.hpp"
#include "builder/package_mirror/mirror_contents.hpp"
#include "builder/package_mirror/simple_index.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/memory_fetcher.hpp"
#include "tests/support/test_bench.hpp"
#include "tests/support/tools.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::brief_error_of;
using dash::testing::TestBench;

namespace {

const std::string kFrom = "https://conda.example/pkgs/main";
const std::string kTo = "http://mirror.example:8080/conda/main";

}  // namespace

TEST_CASE("URL mirrors: prefixes end at parts of paths, and the longest counts") {
  const auto mirrors = UrlMirrors::parse(
      {concat(kFrom, '=', kTo, '/'), "https://conda.example=http://mirror.example:8080/all"});
  CHECK(mirrors.at_mirror(kFrom + "/noarch/a-1-0.conda") == kTo + "/noarch/a-1-0.conda");
  CHECK(mirrors.at_mirror(kFrom) == kTo);
  CHECK(mirrors.at_mirror(kFrom + "2/noarch") == "http://mirror.example:8080/all/pkgs/main2/noarch");
  CHECK(mirrors.at_mirror("https://conda.example.org/x") == "https://conda.example.org/x");
  CHECK(mirrors.reaches(kFrom + "/x"));
  CHECK(mirrors.reaches(kTo + "/x"));
  CHECK_FALSE(mirrors.reaches("https://other.example/x"));
}

TEST_CASE("URL mirrors: texts that conda reads and writes") {
  const auto mirrors = UrlMirrors::parse({concat(kFrom, '=', kTo)});
  const std::string condarc = concat("channels:\n  - ", kFrom, "  # ours\n  - \"", kFrom, "/\"\n  - other\n");
  const std::string seen = concat("channels:\n  - ", kTo, "  # ours\n  - \"", kTo, "/\"\n  - other\n");
  CHECK(mirrors.to_mirrors(condarc) == seen);
  CHECK(mirrors.from_mirrors(seen) == condarc);
  CHECK(mirrors.to_mirrors(kFrom + "::numpy=1.16") == kTo + "::numpy=1.16");
  const std::string answer =
      concat(R"({"url": ")", kTo, R"(/linux-64/a-1-0.conda","base_url":")", kTo, R"("})");
  CHECK(mirrors.from_mirrors(answer) ==
        concat(R"({"url": ")", kFrom, R"(/linux-64/a-1-0.conda","base_url":")", kFrom, R"("})"));
  CHECK(UrlMirrors().to_mirrors(condarc) == condarc);
  CHECK(mirrors.to_mirrors("://") == "://");
  CHECK(urls_in("a: [https://u:p@x.example/c, 'http://y.example']  file:///z") ==
        std::vector<std::string>{"https://x.example/c", "http://y.example"});
}

TEST_CASE("URL mirrors: passwords and tokens are the original server's") {
  const auto mirrors = UrlMirrors::parse({concat(kFrom, '=', kTo)});
  CHECK(mirrors.to_mirrors("- https://me:secret@conda.example/t/TOKEN/pkgs/main\n") ==
        concat("- ", kTo, "\n"));
  CHECK(mirrors.at_mirror("https://me:secret@conda.example/pkgs/main/noarch/a.conda") ==
        kTo + "/noarch/a.conda");
  CHECK(mirrors.reaches("https://me:secret@conda.example/pkgs/main"));
  const std::string other = "- https://me:secret@other.example/x\n";
  CHECK(mirrors.to_mirrors(other) == other);
  CHECK(brief_error_of([] {
          UrlMirrors::parse({"https://a.example=http://m.example", "https://b.example=http://m.example/"});
        }) == "usage: two mirrors are at http://m.example");
}

TEST_CASE("URL mirrors: settings that are none") {
  for (const auto* text : {"", "https://a.example", "main=http://b.example",
                           "https://a.example=", "https://u:secret@a.example=http://b.example",
                           "https://a b.example=http://c.example"}) {
    CAPTURE(text);
    const auto message = brief_error_of([&] { UrlMirrors::parse({text}); });
    CHECK(contains(message, "is not FROM=TO"));
    CHECK_FALSE(contains(message, "secret"));
  }
}

TEST_CASE("an airgapped build asks only servers that settings name") {
  dash::testing::MemoryFetcher fetcher;
  TestBench test(fetcher);
  CondaSettings settings;
  settings.mirrors = UrlMirrors::parse({concat(kFrom, '=', kTo)});
  settings.base_url = "http://installers.example/";
  const std::string other = "https://elsewhere.example/x";
  CHECK(fetch_url(test.bench, settings, other) == other);
  auto bench = test.bench;
  bench.airgapped = true;
  CHECK(fetch_url(bench, settings, kFrom + "/x") == kTo + "/x");
  CHECK(fetch_url(bench, settings, kTo + "/x") == kTo + "/x");
  CHECK(fetch_url(bench, settings, "http://installers.example/miniconda/x.sh") ==
        "http://installers.example/miniconda/x.sh");
  CHECK(fetch_url(bench, settings, "file:///x") == "file:///x");
  CHECK(
      brief_error_of([&] { fetch_url(bench, settings, other); }) ==
      "unavailable: no mirror is configured for https://elsewhere.example/x, and builds on this machine are "
      "airgapped");
  CHECK(brief_error_of([&] {
          check_reach(
              bench, settings,
              concat("channels:\n# ", other, "\n  - ", kFrom, "  # not ", other, "\n  - ", other, "\n"),
              ".condarc");
        }) ==
        "unavailable: .condarc:4: no mirror is configured for https://elsewhere.example/x, and builds on "
        "this machine are airgapped");
  const auto home = dash::testing::make_temp_directory();
  settings.condarc = home.path() / "condarc";
  write_file(settings.condarc, "channel_alias: https://elsewhere.example\n");
  CHECK(fetch_url(bench, settings, other) == other);
}

TEST_CASE("a channel with some packages of another") {
  CHECK(channel_path("https://conda.example:8080/pkgs/main") == "conda/conda.example_8080/pkgs/main");
  CHECK(
      contains(brief_error_of([] { channel_path("https://conda.example/../main"); }), "cannot be mirrored"));
  CHECK(contains(brief_error_of([] { channel_path("https://conda.example/a\"b"); }), "cannot be mirrored"));
  const auto home = dash::testing::make_temp_directory();
  const auto directory = home.path() / "linux-64";
  make_directories(directory);
  const auto add = [&](const std::string& name, const std::string& record = R"({"depends": []})") {
    write_file(directory / name, "content");
    add_to_channel(directory, "linux-64", {{name, record}});
  };
  add("a-1-0.tar.bz2");
  add("c-1-0.conda");
  const auto list = [&] { return read_file(directory / "repodata.json"); };
  CHECK(contains(list(), R"("a-1-0.tar.bz2")"));
  CHECK(contains(list(), R"("c-1-0.conda")"));
  // What was removed is not listed any more.
  fs::remove(directory / "a-1-0.tar.bz2");
  add("b-1-0.tar.bz2");
  CHECK(contains(list(), "b-1-0"));
  CHECK_FALSE(contains(list(), "a-1-0"));
  CHECK(brief_error_of([&] { add("d-1-0.conda", "[]"); }) ==
        "corrupt: the record of d-1-0.conda in its channel cannot be read");
  CHECK_FALSE(contains(list(), "d-1-0"));
}

TEST_CASE("a package index as files") {
  const auto home = dash::testing::make_temp_directory();
  make_directories(home.path() / "six");
  write_file(home.path() / "six/six-1.0+local-py3-none-any.whl", "wheel");
  write_simple_index(home.path());
  CHECK(contains(read_file(home.path() / "six/index.html"),
                 concat(R"(<a href="six-1.0%2Blocal-py3-none-any.whl#sha256=)", to_hex(sha256("wheel")),
                        R"(">six-1.0+local-py3-none-any.whl</a>)")));
  CHECK(contains(read_file(home.path() / "index.html"), R"(<a href="six/">six</a>)"));
}

TEST_CASE("what a mirror needs, from locks") {
  MirrorContents contents;
  contents.add_lock(concat("@EXPLICIT\n", kFrom, "/linux-64/a-1-0.conda\n"), "lock.txt");
  contents.add_lock(
      "lock-version = \"1.0\"\ncreated-by = \"uv\"\n[[packages]]\nname = \"six\"\nversion = \"1.0\"\n"
      "sdist = { url = \"https://files.example/six-1.0.tar.gz\", hashes = { sha256 = \"" +
          std::string(64, 'a') +
          "\" } }\n[[packages]]\nname = \"seven\"\nversion = \"7\"\n"
          "sdist = { url = \"https://files.example/seven-7.tar.gz\", hashes = { sha256 = \"" +
          std::string(64, 'a') +
          "\" } }\nwheels = [{ url = \"https://files.example/seven-7-py3-none-any.whl\", hashes = { sha256 = "
          "\"" +
          std::string(64, 'b') + "\" } }]\n",
      "pylock.toml");
  CHECK(contents.conda.size() == 1);
  CHECK(contents.python);
  REQUIRE(contents.distributions.size() == 2);
  CHECK(contents.distributions.contains("seven-7-py3-none-any.whl"));
  CHECK(contents.distributions.contains("six-1.0.tar.gz"));
  CHECK(contents.built == std::map<std::string, std::string>{{"six", "1.0"}});
  CHECK(contains(brief_error_of([&] { contents.add_lock("six==1.0\n", "requirements.txt"); }),
                 "requirements.txt"));
  CHECK(contains(brief_error_of([&] { contents.add_image({}, "sales:latest"); }),
                 "sales:latest carries no lock of conda or Python packages"));
}

TEST_CASE("what a mirror needs, from images, which may come from anywhere") {
  const auto image = [](const std::string& installer, std::map<std::string, std::string> facts) {
    ImageRecords out;
    StepRecord runtime{
        "conda-runtime", {{"conda-runtime", installer}}, {}, {{"installer", std::string(64, 'a')}}};
    StepRecord packages{"conda-packages", {}, {}, std::move(facts)};
    out.steps.push_back({StepInputs().key("conda-runtime"), std::move(runtime)});
    out.steps.push_back({StepInputs().key("conda-packages"), std::move(packages)});
    return out;
  };
  const std::string lock = concat("@EXPLICIT\n", kFrom, "/linux-64/a-1-0.conda#", std::string(32, '1'), '\n');
  MirrorContents contents;
  contents.add_image(image("Miniconda3-4.5.12", {{"lock", lock}}), "one");
  CHECK(contents.installers.at("Miniconda3-4.5.12") == std::string(64, 'a'));
  CHECK(contents.conda.size() == 1);
  CHECK(contains(brief_error_of([&] {
                   contents.add_image(image("../../../tmp/x", {{"lock", lock}}), "two");
                 }),
                 "is a path, not an installer's name"));
  CHECK(brief_error_of([&] { contents.add_image(image("Miniconda3-4.5.12", {}), "three"); }) ==
        "unsupported: conda itself installed the packages of three, and nothing says which they are");
  const std::string other =
      concat("@EXPLICIT\n", kFrom, "/linux-64/a-1-0.conda#", std::string(32, '2'), '\n');
  CHECK(brief_error_of([&] { contents.add_lock(other, "lock.txt"); }) ==
        "invalid_input: lock.txt has another a-1-0.conda than what was named before it");
}

TEST_CASE("a mirror is written, and what other apps brought stays") {
  dash::testing::MemoryFetcher fetcher;
  fetcher.files[kFrom + "/linux-64/repodata.json"] =
      R"({"packages.conda": {"a-1-0.conda": {"depends": []}}})";
  fetcher.files[kFrom + "/linux-64/a-1-0.conda"] = "package a";
  const std::string second = "https://other.example/free";
  fetcher.files[second + "/noarch/repodata.json"] = R"({"packages.conda": {"b-1-0.conda": {"depends": []}}})";
  fetcher.files[second + "/noarch/b-1-0.conda"] = "package b";
  TestBench test(fetcher);
  const auto home = dash::testing::make_temp_directory();
  const auto directory = home.path() / "mirror";
  MirrorContents contents;
  contents.add_lock(concat("@EXPLICIT\n", kFrom, "/linux-64/a-1-0.conda\n"), "lock.txt");
  const auto report = write_package_mirror(test.bench, {}, contents, directory, "http://m.example/");
  CHECK(report.conda_packages == 1);
  CHECK(report.bytes == 9);
  CHECK(read_file(directory / "conda/conda.example/pkgs/main/linux-64/a-1-0.conda") == "package a");
  CHECK(fs::exists(directory / "conda/conda.example/pkgs/main/noarch/repodata.json"));

  MirrorContents more;
  more.add_lock(concat("@EXPLICIT\n", second, "/noarch/b-1-0.conda#", std::string(32, '0'), '\n'),
                "lock.txt");
  CHECK(contains(
      brief_error_of([&] { write_package_mirror(test.bench, {}, more, directory, "http://m.example"); }),
      "corrupt: "));
  CHECK_FALSE(fs::exists(directory / "conda/other.example/free/noarch/b-1-0.conda"));
  MirrorContents right;
  right.add_lock(concat("@EXPLICIT\n", second, "/noarch/b-1-0.conda\n"), "lock.txt");
  write_package_mirror(test.bench, {}, right, directory, "http://m.example");
  CHECK(read_file(directory / "dash-build.toml") ==
        "# Settings for machines that see this directory at http://m.example.\n"
        "# For Python packages: PIP_INDEX_URL=http://m.example/simple/\n"
        "airgapped = true\n"
        "conda_mirrors = [\n"
        "  \"https://conda.example/pkgs/main=http://m.example/conda/conda.example/pkgs/main\",\n"
        "  \"https://other.example/free=http://m.example/conda/other.example/free\"\n"
        "]\n");

  // What a run that was killed left is nothing to serve, or to carry.
  write_file(directory / ".tmp-123456", "half");
  CHECK(contains(brief_error_of([&] {
                   write_package_mirror(test.bench, {}, right, directory / "dash-build.toml",
                                        "http://m.example");
                 }),
                 "is a file, not a directory"));
  write_package_mirror(test.bench, {}, right, directory, "http://m.example");
  CHECK_FALSE(fs::exists(directory / ".tmp-123456"));

  const auto archive = home.path() / "mirror.tar";
  write_mirror_archive(directory, archive);
  const auto first = read_file(archive);
  write_mirror_archive(directory, archive);
  CHECK(read_file(archive) == first);
  CHECK(contains(first, "conda/conda.example/pkgs/main/linux-64/repodata.json"));
  CHECK_FALSE(contains(first, ".lock"));
}
