#include "builder/packages/zip.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "tests/support/tools.hpp"
#include "tests/support/zip_fixture.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::zip_bytes;
using dash::testing::ZipFixtureEntry;

namespace {

struct Archive {
  TempDirectory directory = dash::testing::make_temp_directory();
  fs::path path = directory.path() / "x.whl";
  explicit Archive(const std::string& bytes) { write_file_atomic(path, bytes); }
};

std::string open_error(const std::string& bytes) {
  const Archive archive(bytes);
  try {
    const ZipReader zip(archive.path);
    for (const ZipEntry& entry : zip.entries()) zip.read(entry);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::corrupt);
    const std::string prefix = "x.whl is not a usable zip archive: ";
    REQUIRE(error.message().starts_with(prefix));
    return error.message().substr(prefix.size());
  }
  return "";
}

std::string with(ZipFixtureEntry entry) {
  return zip_bytes({{.path = "first", .content = "1"}, std::move(entry)});
}

}  // namespace

TEST_CASE("zip: reads what Python writes, deflated, stored and zip64") {
  const Archive archive("");
  dash::testing::run_tool(
      {"/usr/bin/python3", "-c",
       "import sys, zipfile\n"
       "with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n"
       "    z.writestr('a/b.txt', 'hello ' * 1000)\n"
       "    z.writestr(zipfile.ZipInfo('stored'), b'\\0\\1')\n"
       "    z.writestr('empty', '')\n"
       "    with z.open('big', 'w', force_zip64=True) as f: f.write(b'x' * 70000)\n"
       "    i = zipfile.ZipInfo('run'); i.external_attr = 0o100755 << 16; z.writestr(i, '#!')\n"
       "    z.comment = b'a comment'\n",
       archive.path.string()});
  const ZipReader zip(archive.path);
  REQUIRE(zip.entries().size() == 5);
  std::string hello;
  for (int i = 0; i < 1000; ++i) hello += "hello ";
  CHECK(zip.read(*zip.find("a/b.txt")) == hello);
  CHECK(zip.read(*zip.find("stored")) == std::string("\0\1", 2));
  CHECK(zip.read(*zip.find("empty")).empty());
  CHECK(zip.read(*zip.find("big")) == std::string(70000, 'x'));
  CHECK(zip.find("run")->is_executable());
  CHECK_FALSE(zip.find("stored")->is_executable());
  CHECK(zip.find("nothing") == nullptr);
}

TEST_CASE("zip: 70000 entries need the zip64 end record") {
  const Archive archive("");
  dash::testing::run_tool({"/usr/bin/python3", "-c",
                           "import sys, zipfile\n"
                           "with zipfile.ZipFile(sys.argv[1], 'w') as z:\n"
                           "    for i in range(70000): z.writestr('f%d' % i, b'')\n",
                           archive.path.string()});
  CHECK(ZipReader(archive.path).entries().size() == 70000);
}

TEST_CASE("zip: hostile archives are refused") {
  const std::string good = with({.path = "a", .content = "text"});
  CHECK(open_error(good).empty());
  CHECK(open_error("PK") == "it is too short for a zip archive");
  CHECK(open_error(good.substr(0, good.size() - 1)) == "the end record is missing (the file may be cut off)");
  CHECK(open_error(good.substr(5)) == "the central directory is damaged");
  CHECK(open_error(with({.path = "/etc/passwd"})) == "it has an entry with an absolute name: '/etc/passwd'");
  CHECK(open_error(with({.path = "a/../../b"})) == "it has an entry with an unsafe name: 'a/../../b'");
  CHECK(open_error(with({.path = "a//b"})) == "it has an entry with an unsafe name: 'a//b'");
  CHECK(open_error(with({.path = "./b"})) == "it has an entry with an unsafe name: './b'");
  CHECK(open_error(with({.path = ""})) == "it has an entry with an empty name: ''");
  CHECK(contains(open_error(with({.path = "\xff"})), "a name that is not UTF-8"));
  CHECK(contains(open_error(with({.path = std::string("a\0b", 3)})), "a name with a zero byte"));
  CHECK(open_error(with({.path = "first"})) == "entry first is there twice");
  CHECK(open_error(with({.path = "first/"})) == "entry first is there twice");
  CHECK(open_error(with({.path = "a", .flags = 1})) == "entry a is encrypted");
  CHECK(open_error(with({.path = "a", .flags = 1U << 13U})) == "entry a is encrypted");
  CHECK(open_error(with({.path = "a", .method = 14})) ==
        "entry a uses compression method 14; only stored and deflated entries can be read");
  CHECK(open_error(with({.path = "a", .content = "x", .crc_change = 1})) == "the checksum of a is wrong");
  CHECK(open_error(with({.path = "a", .content = "x", .size_change = 1})) == "the sizes of a cannot be true");
  CHECK(open_error(with({.path = "a", .content = "x", .method = 8, .size_change = 5000})) ==
        "the sizes of a cannot be true");
  CHECK(open_error(with({.path = "a", .content = "\xff\xff\xff", .method = 8})) ==
        "the data of a is damaged");
  CHECK(open_error(with({.path = "a", .offset_change = 1'000'000})) ==
        "entry a lies in another one or outside");
  // The second entry points at the first one's data: how a small archive becomes a huge one.
  const std::string shared = with({.path = "a", .content = "x", .offset_change = -36});
  CHECK(open_error(shared) == "entry a lies in another one or outside");
}
