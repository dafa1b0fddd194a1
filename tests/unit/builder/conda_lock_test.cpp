#include "base/text.hpp"
#include "builder/conda/explicit_lock.hpp"
#include "builder/conda/history.hpp"
#include "builder/conda/requirement_line.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

const std::string kMd5 = "0123456789abcdef0123456789abcdef";
const std::string kSha = kMd5 + kMd5;
const std::string kChannel = "https://channel.example/main";

std::string lock_error(const std::string& line) {
  return dash::testing::brief_error_of([&] { parse_explicit_lock("@EXPLICIT\n" + line + "\n", "lock.txt"); });
}

// "channel::name version build" of what a line asks for.
std::string meaning(const std::string& text, CondaReading reading) {
  const auto lines = conda_requirements(text).lines;
  if (lines.size() != 1) return "nothing";
  try {
    const CondaRequirement found = read_requirement(lines.front(), reading, "conda-requirements.txt");
    if (!found.url.empty()) return found.url;
    std::string out = found.channel.empty() ? "" : found.channel + "::";
    out += found.name;
    if (!found.version.empty()) out += concat(' ', found.version);
    if (!found.build.empty()) out += concat(" build ", found.build);
    if (found.loss == CondaRequirement::Loss::constraint) out += ", the rest is lost";
    return out;
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_input);
    CHECK_FALSE(error.hint().empty());
    return "refused";
  }
}

}  // namespace

TEST_CASE("explicit lock: read and written") {
  const std::string text =
      concat("# platform: linux-64\nnumpy\n@EXPLICIT\n\n", kChannel,
             "/linux-64/python-3.7.1-h0371630_7.tar.bz2#", kMd5, "\r\n", kChannel,
             "/noarch/ruamel.yaml-0.15-py_0.conda#sha256:", kSha, "\n/opt/pkgs/zlib-1.2-0.conda\n");
  CHECK(is_explicit(text));
  CHECK_FALSE(is_explicit("numpy\n# @EXPLICIT\n"));
  const ExplicitLock lock = parse_explicit_lock(text, "lock.txt");
  REQUIRE(lock.packages.size() == 3);
  const CondaPackageUrl& python = lock.packages[0];
  CHECK(python.name() == "python");
  CHECK(python.version() == "3.7.1");
  CHECK(python.build() == "h0371630_7");
  CHECK(python.dist() == "python-3.7.1-h0371630_7");
  CHECK(python.file_name() == "python-3.7.1-h0371630_7.tar.bz2");
  CHECK(python.subdir() == "linux-64");
  CHECK(python.channel() == kChannel);
  CHECK(python.digests.md5 == kMd5);
  CHECK(lock.packages[1].digests.sha256 == sha256_from_hex(kSha));
  CHECK(lock.packages[2].url == "file:///opt/pkgs/zlib-1.2-0.conda");
  CHECK(format_explicit_lock(lock) == concat("# platform: linux-64\n@EXPLICIT\n", kChannel,
                                             "/linux-64/python-3.7.1-h0371630_7.tar.bz2#", kMd5, '\n',
                                             kChannel, "/noarch/ruamel.yaml-0.15-py_0.conda#sha256:", kSha,
                                             "\nfile:///opt/pkgs/zlib-1.2-0.conda\n"));
}

TEST_CASE("explicit lock: names with dashes, epochs, queries, passwords and tokens") {
  CondaPackageUrl package;
  package.url = "https://me:secret@host.example/t/to-ken/a/b/linux-64/r-base-dev-1%211.2-h_1.conda?x=1";
  CHECK(package.name() == "r-base-dev");
  CHECK(package.version() == "1!1.2");
  CHECK(package.public_url() == "https://host.example/a/b/linux-64/r-base-dev-1%211.2-h_1.conda");
  CHECK(package.channel() == "https://host.example/a/b");
  CHECK(package.subdir() == "linux-64");
}

TEST_CASE("explicit lock: lines that are refused") {
  const std::string url = kChannel + "/linux-64/a-1-0.conda";
  const std::string place = "invalid_input: lock.txt:2: ";
  CHECK(lock_error(url) == "no error");
  CHECK(lock_error("numpy=1.16") == place + "'numpy=1.16' is neither a URL nor an absolute path");
  CHECK(lock_error(url + " " + url) == place + concat('\'', url, ' ', url, "' is more than one URL"));
  CHECK(lock_error(kChannel + "/linux-64/a-1.conda") ==
        place + concat('\'', kChannel, "/linux-64/a-1.conda' is not the URL of a conda package"));
  CHECK(lock_error(kChannel + "/linux-64/a-1-0.whl") ==
        place + concat('\'', kChannel, "/linux-64/a-1-0.whl' is not the URL of a conda package"));
  CHECK(lock_error(kChannel + "/win-64/a-1-0.conda") ==
        place + concat('\'', kChannel, "/win-64/a-1-0.conda' is a package for win-64, not for linux-64"));
  for (const std::string& hash : {std::string("12"), "sha256:" + kMd5, "md5:" + kSha, "z" + kMd5.substr(1)})
    CHECK(contains(lock_error(url + "#" + hash), "ends with what is neither an MD5 nor a SHA-256"));
  CHECK(lock_error(url + "\n" + url) ==
        concat("invalid_input: lock.txt:3: '", url, "' is a second package a; line 2 has one already"));
  CHECK_FALSE(contains(lock_error("https://me:secret@host.example/t/to-ken/win-64/a-1-0.conda"), "to-ken"));
  CHECK_FALSE(contains(lock_error("https://me:secret@host.example/t/to-ken/win-64/a-1-0.conda"), "secret"));
}

TEST_CASE("conda requirements: what lines mean to old and new condas") {
  struct Row {
    std::string line;
    std::string exact;
    std::string match_spec;
  };
  const auto [line, exact, match_spec] = GENERATE(values<Row>({
      {"numpy", "numpy", "numpy"},
      {"NumPy", "numpy", "numpy"},
      {"numpy=1.16", "numpy ==1.16", "numpy 1.16.*"},
      {"numpy =1.16", "numpy ==1.16", "numpy 1.16.*"},
      {"numpy = 1.16", "numpy ==1.16", "numpy 1.16.*"},
      {"numpy==1.16.2", "numpy ==1.16.2", "numpy ==1.16.2"},
      {"numpy=1.16=py37h7e9f1db_0", "numpy ==1.16 build py37h7e9f1db_0", "numpy ==1.16 build py37h7e9f1db_0"},
      {"numpy=1.16.2=py37*", "numpy ==1.16.2 build py37*", "numpy ==1.16.2 build py37*"},
      {"numpy=1.16.*", "numpy 1.16.*", "numpy 1.16.*"},
      {"numpy>=1.11, <2", "numpy >=1.11,<2", "numpy >=1.11,<2"},
      {"numpy >=1.11,<2  # why", "numpy >=1.11,<2", "numpy >=1.11,<2"},
      {"numpy!=1.12", "numpy !=1.12", "numpy !=1.12"},
      {"numpy>=1.16=py37_0", "numpy >=1.16 build py37_0", "numpy >=1.16 build py37_0"},
      {"numpy=1.16|1.17", "numpy 1.16|1.17", "refused"},
      {"conda-forge::numpy=1.16", "conda-forge::numpy ==1.16", "conda-forge::numpy 1.16.*"},
      {"Conda-Forge::NumPy", "conda-forge::numpy", "Conda-Forge::numpy"},
      {"defaults/linux-64::numpy", "defaults/linux-64::numpy", "defaults/linux-64::numpy"},
      {"numpy 1.16*", "refused", "numpy 1.16.*"},
      {"numpy 1.16", "refused", "numpy ==1.16"},
      {"numpy 1.16 py37_0", "refused", "numpy ==1.16 build py37_0"},
      {"numpy~=1.16.2", "numpy~ ==1.16.2", "numpy ~=1.16.2"},
      {R"(numpy[version=">=1.8|1.7"])", "numpy, the rest is lost", "numpy >=1.8|1.7"},
      {"pkg=1.0=pypi_0", "pkg ==1.0 build pypi_0", "pkg ==1.0 build pypi_0"},
      {"https://c.example/linux-64/a-1-0.conda#0123", "https://c.example/linux-64/a-1-0.conda#0123",
       "https://c.example/linux-64/a-1-0.conda#0123"},
      {"# a comment", "nothing", "nothing"},
      {"   ", "nothing", "nothing"},
      {"=1.16", "refused", "refused"},
      {"[version='>1']", "refused", "refused"},
      {"numpy=", "refused", "refused"},
      {"numpy>=", "refused", "refused"},
      {"numpy=1=2=3", "refused", "refused"},
  }));
  INFO(line);
  CHECK(meaning(line, CondaReading::exact) == exact);
  CHECK(meaning(line, CondaReading::match_spec) == match_spec);
}

TEST_CASE("conda requirements: which conda reads how") {
  for (const auto* version : {"4.5.12", "4.14.0", "23.7.2", "26.1.1", "26"})
    CHECK(conda_reading(version) == CondaReading::exact);
  for (const auto* version : {"26.7.1", "26.7", "27.1.0", "latest", ""})
    CHECK(conda_reading(version) == CondaReading::match_spec);
}

TEST_CASE("conda requirements: warnings") {
  const auto warnings = [](const std::string& text, CondaReading reading) {
    return join(requirement_warnings(conda_requirements(text), reading, "c.txt"), "\n");
  };
  CHECK(warnings("numpy==1.16\nnumpy=1.16.*\npandas>=1\nflask\n", CondaReading::exact).empty());
  CHECK(warnings("numpy=1.16", CondaReading::exact) ==
        "c.txt:1: 'numpy=1.16' means numpy ==1.16 to this conda, and numpy 1.16.* to newer versions of it: "
        "write "
        "numpy==1.16 or numpy=1.16.* to be sure");
  CHECK(warnings("numpy=1.16", CondaReading::match_spec) ==
        "c.txt:1: 'numpy=1.16' means numpy 1.16.* to this conda, and numpy ==1.16 to versions before 26.7: "
        "write "
        "numpy=1.16.* to be sure");
  const auto advice = [&](const std::string& line, CondaReading reading) {
    const std::string text = warnings(line, reading);
    return text.substr(text.rfind(": write ") + 8);
  };
  CHECK(advice("main::numpy=1.16", CondaReading::exact) ==
        "main::numpy==1.16 or main::numpy=1.16.* to be sure");
  CHECK(advice("main::numpy=1.16", CondaReading::match_spec) == "main::numpy=1.16.* to be sure");
  CHECK(advice("Main::numpy", CondaReading::exact) == "main::numpy to be sure");
  CHECK(advice("numpy~=1.16.2", CondaReading::match_spec) == ">= and < instead of ~= to be sure");
  CHECK(advice("numpy[version='>=1.8,<2']", CondaReading::match_spec) == "numpy>=1.8,<2 to be sure");
  CHECK(warnings("\ndash=2.0=pypi_0", CondaReading::exact) ==
        "c.txt:2: 'dash=2.0=pypi_0' names a package that pip installed, which no channel has: move dash to "
        "requirements.txt");
  CHECK(warnings("numpy~=1.16.2", CondaReading::exact) ==
        "c.txt:1: 'numpy~=1.16.2' asks this conda for a package called numpy~: write >= and < instead of ~=");
  CHECK(warnings("numpy[version='>1']", CondaReading::exact) ==
        "c.txt:1: 'numpy[version='>1']' is any version of numpy to this conda, which does not know brackets "
        "here: "
        "write numpy with == or >= instead");
  CHECK(warnings("defaults/osx-64::numpy", CondaReading::exact) ==
        "c.txt:1: 'defaults/osx-64::numpy' is for another platform than linux-64");
  CHECK(warnings("# This file may be used to create an environment\n# platform: win-64\nnumpy==1",
                 CondaReading::exact) ==
        "c.txt was exported on win-64; builds of packages that it names are not there for linux-64");
}

TEST_CASE("conda history: as conda writes it") {
  CondaRevision revision;
  revision.time = 315532800;
  revision.command = "dash-build";
  revision.conda_version = "4.5.12";
  revision.specs = {"numpy==1.16", "it's"};
  for (const auto* name : {"b-1-0.conda", "a-1-0.tar.bz2"}) {
    revision.linked.emplace_back();
    revision.linked.back().url = concat("https://me:secret@channel.example/main/linux-64/", name);
  }
  revision.unlinked.emplace_back();
  revision.unlinked.back().url = "https://channel.example/main/noarch/old-1-0.conda";
  CHECK(conda_history({revision}) ==
        "==> 1980-01-01 00:00:00 <==\n# cmd: dash-build\n# conda version: 4.5.12\n"
        "-https://channel.example/main/noarch::old-1-0\n"
        "+https://channel.example/main/linux-64::a-1-0\n+https://channel.example/main/linux-64::b-1-0\n"
        "# update specs: ['numpy==1.16', 'it\\'s']\n");
}
