#include "builder/python/runtime_archive.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

template <class Body>
Error thrown(Body&& body) {
  return dash::testing::thrown_by(body).value();
}

const std::string kDigest(64, 'a');

RuntimeArchive archive(const std::string& version) {
  return {version, concat("/", version), {}};
}

}  // namespace

TEST_CASE("a runtime archive as it is written on the command line") {
  const auto parsed = parse_runtime_archive(concat(
      "3.12.7=https://u:p@files.example/{minor}/cpython-{version}+1-{machine}.tar.gz?a=b#sha256=", kDigest));
  CHECK(parsed.version == "3.12.7");
  CHECK(parsed.location == "https://u:p@files.example/3.12/cpython-3.12.7+1-{machine}.tar.gz?a=b");
  CHECK(to_hex(parsed.sha256) == kDigest);
  CHECK(parse_runtime_archive(concat("3.9.1=/files/a#b.tar.gz#sha256=", kDigest)).location ==
        "/files/a#b.tar.gz");

  struct Case {
    std::string text;
    std::string what;
  };
  const auto bad = GENERATE(values<Case>({
      {"3.12.7=https://files.example/x.tar.gz", "names no digest"},
      {concat("/x.tar.gz#sha256=", kDigest), "names no version"},
      {concat("3.12=/x#sha256=", kDigest), "does not start with a version like 3.12.7"},
      {concat("3.12.x=/x#sha256=", kDigest), "does not start with a version like 3.12.7"},
      {"3.12.7=/x#sha256=12", "has a digest that is none: 64 hexadecimal digits are needed"},
      {concat("3.12.7=#sha256=", kDigest), "names no archive"},
  }));
  const auto error = thrown([&] { parse_runtime_archive(bad.text); });
  CHECK(error.code() == ErrorCode::usage);
  CHECK(error.message() == concat("the Python runtime '", bad.text, "' ", bad.what));
  CHECK(contains(error.hint(), "VERSION=URL-or-FILE#sha256=DIGEST"));
}

TEST_CASE("the archive that answers runtime.txt best") {
  const std::vector<RuntimeArchive> archives = {archive("3.10.14"), archive("3.12.9"), archive("3.12.10"),
                                                archive("3.12.2")};
  const auto chosen = [&](const char* text) {
    const auto* found = choose_runtime(archives, parse_runtime_txt(text));
    return found == nullptr ? std::string("none") : found->version;
  };
  CHECK(chosen("python-3.12") == "3.12.10");
  CHECK(chosen("python-3.12.2") == "3.12.2");
  CHECK(chosen("python-3.12.4") == "3.12.10");
  CHECK(chosen("python-3.10") == "3.10.14");
  CHECK(chosen("python-3.11") == "none");
  CHECK(versions_of(archives) == "3.10.14, 3.12.9, 3.12.10, 3.12.2");
}
