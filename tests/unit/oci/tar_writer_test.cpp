#include "oci/tar_writer.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/tools.hpp"

#include <functional>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

using namespace dash;
using namespace dash::oci;
using dash::testing::brief_error_of;

namespace {

std::string write_tar(const std::function<void(TarWriter&)>& fill) {
  StringSink out;
  TarWriter writer(out);
  fill(writer);
  writer.finish();
  return out.take();
}

TarEntry file_entry(std::string path, std::uint64_t size = 0) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.size = size;
  return entry;
}

// One line per entry as Python's tarfile reads it.
std::string python_listing(const std::string& tar) {
  static constexpr const char* kScript = R"(
import sys, tarfile, hashlib
sys.stdout.reconfigure(errors="surrogateescape")
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
    for e in tar:
        content = tar.extractfile(e).read() if e.isreg() else b""
        xattrs = {k: v for k, v in e.pax_headers.items() if k.startswith("SCHILY.")}
        print(e.name, e.type.decode(), oct(e.mode), e.uid, e.gid, e.size, int(e.mtime), e.linkname or "-",
              f"{e.devmajor},{e.devminor}", content.decode() or "-", xattrs or "-")
)";
  return testing::run_tool({"python3", "-c", kScript}, tar);
}

std::string path_of(std::size_t length, std::size_t part) {
  std::string path;
  while (path.size() < length) path += (path.size() % (part + 1) == part) ? '/' : 'p';
  if (path.ends_with('/')) path.back() = 'p';
  return path;
}

}  // namespace

TEST_CASE("an empty tar is two zero blocks") {
  CHECK(write_tar([](TarWriter&) {}) == std::string(1024, '\0'));
}

TEST_CASE("every type of entry is what tarfile and GNU tar read") {
  const auto tar = write_tar([](TarWriter& writer) {
    TarEntry entry;
    entry.path = "dir";
    entry.type = EntryType::directory;
    entry.mode = 01777;
    entry.mtime = 315532800;
    writer.add(entry);
    entry = file_entry("dir/file", 5);
    entry.mode = 04755;
    entry.uid = 32767;
    entry.gid = 5;
    entry.mtime = 1;
    writer.add(entry, as_bytes("hello"));
    entry = {.path = "dir/hard", .type = EntryType::hardlink, .link_target = "dir/file"};
    writer.add(entry);
    entry = {.path = "dir/link", .type = EntryType::symlink, .mode = 0777, .link_target = "../no/where"};
    writer.add(entry);
    entry = {.path = "null", .type = EntryType::char_device, .device_major = 1, .device_minor = 3};
    writer.add(entry);
    entry = {.path = "pipe", .type = EntryType::fifo};
    writer.add(entry);
    entry = {.path = "sda", .type = EntryType::block_device, .device_major = 8, .device_minor = 1048575};
    writer.add(entry);
  });
  CHECK(tar.size() == (8 + 2) * 512);  // no pax record anywhere
  CHECK(python_listing(tar) ==
        "dir 5 0o1777 0 0 0 315532800 - 0,0 - -\n"
        "dir/file 0 0o4755 32767 5 5 1 - 0,0 hello -\n"
        "dir/hard 1 0o644 0 0 0 0 dir/file 0,0 - -\n"
        "dir/link 2 0o777 0 0 0 0 ../no/where 0,0 - -\n"
        "null 3 0o644 0 0 0 0 - 1,3 - -\n"
        "pipe 6 0o644 0 0 0 0 - 0,0 - -\n"
        "sda 4 0o644 0 0 0 0 - 8,1048575 - -\n");
  CHECK(testing::run_tool({"tar", "--numeric-owner", "-tvf", "-"}, tar) ==
        "drwxrwxrwt 0/0               0 1980-01-01 00:00 dir/\n"
        "-rwsr-xr-x 32767/5           5 1970-01-01 00:00 dir/file\n"
        "hrw-r--r-- 0/0               0 1970-01-01 00:00 dir/hard link to dir/file\n"
        "lrwxrwxrwx 0/0               0 1970-01-01 00:00 dir/link -> ../no/where\n"
        "crw-r--r-- 0/0             1,3 1970-01-01 00:00 null\n"
        "prw-r--r-- 0/0               0 1970-01-01 00:00 pipe\n"
        "brw-r--r-- 0/0       8,1048575 1970-01-01 00:00 sda\n");
}

TEST_CASE("paths of every length read back, with pax records only where ustar has no room") {
  const auto part = GENERATE(as<std::size_t>(), 8, 60, 99, 100, 254);
  const auto type = GENERATE(EntryType::file, EntryType::directory);
  std::string expected;
  const auto tar = write_tar([&](TarWriter& writer) {
    for (std::size_t length = 1; length <= 300; ++length) {
      auto entry = file_entry(path_of(length, part));
      entry.type = type;
      writer.add(entry);
      expected += entry.path + (type == EntryType::directory ? "/\n" : "\n");
    }
  });
  CHECK(testing::run_tool({"tar", "-tf", "-"}, tar) == expected);
}

TEST_CASE("a long path is cut for ustar or becomes a pax record") {
  const auto size = [](const std::string& path) {
    return write_tar([&](TarWriter& writer) { writer.add(file_entry(path)); }).size() - 1024;
  };
  const std::string a(100, 'a');
  CHECK(size(a) == 512);
  CHECK(size(a + "a") == 3 * 512);                            // no '/' to cut at
  CHECK(size(std::string(155, 'p') + "/" + a) == 512);        // the longest that fits
  CHECK(size(std::string(156, 'p') + "/" + a) == 3 * 512);    // prefix too long
  CHECK(size(std::string(20, 'p') + "/a" + a) == 3 * 512);    // name too long
  CHECK(size("p/" + std::string(60, 'q') + "/" + a) == 512);  // cut at the last '/'
}

TEST_CASE("names are bytes") {
  const auto path = GENERATE(as<std::string>(), "gr\xc3\xbc\xc3\x9f", "latin\xfc", "new\nline");
  for (const auto& name : {path, path + std::string(150, 'x')}) {
    const auto tar = write_tar([&](TarWriter& writer) { writer.add(file_entry(name)); });
    CHECK(testing::run_tool({"tar", "--quoting-style=literal", "-tf", "-"}, tar) == name + "\n");
    CHECK(python_listing(tar).starts_with(name + " 0 "));
  }
}

TEST_CASE("numbers that ustar cannot hold become pax records") {
  auto entry = file_entry("f");
  entry.uid = 2097151;
  entry.gid = 2097152;
  entry.mtime = -1;
  const auto tar = write_tar([&](TarWriter& writer) { writer.add(entry); });
  CHECK(python_listing(tar) == "f 0 0o644 2097151 2097152 0 -1 - 0,0 - -\n");
  entry.uid = 4294967294;
  entry.mtime = 8589934592;
  CHECK(python_listing(write_tar([&](TarWriter& writer) { writer.add(entry); })) ==
        "f 0 0o644 4294967294 2097152 0 8589934592 - 0,0 - -\n");
}

TEST_CASE("long link targets become pax records") {
  for (const std::size_t length : {100U, 101U, 4000U}) {
    const auto target = path_of(length, 30);
    const auto tar = write_tar([&](TarWriter& writer) {
      writer.add({.path = "l", .type = EntryType::symlink, .mode = 0777, .link_target = target});
    });
    CHECK(tar.size() == (length == 100 ? 1536 : length == 101 ? 2560 : 6144));
    CHECK(python_listing(tar) == "l 2 0o777 0 0 0 0 " + target + " 0,0 - -\n");
  }
}

TEST_CASE("extended attributes of every length read back") {
  const auto tar = write_tar([](TarWriter& writer) {
    for (std::size_t i = 0; i < 1200; ++i) {
      auto entry = file_entry(std::to_string(i));
      entry.xattrs = {{"user.a", std::string(i, 'v')}, {"user.b", "x"}};
      writer.add(entry);
    }
  });
  static constexpr const char* kScript = R"(
import sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
    for i, e in enumerate(tar):
        assert e.name == str(i), e.name
        assert e.pax_headers == {"SCHILY.xattr.user.a": "v" * i, "SCHILY.xattr.user.b": "x"}, i
print("fine", i)
)";
  CHECK(testing::run_tool({"python3", "-c", kScript}, tar) == "fine 1199\n");
}

TEST_CASE("values of extended attributes are bytes") {
  auto entry = file_entry("f");
  const std::string value("\x01\x00\x00\x02\xff\n=", 7);
  entry.xattrs = {{"security.capability", value}};
  const auto tar = write_tar([&](TarWriter& writer) { writer.add(entry); });
  CHECK(dash::contains(tar, concat("44 SCHILY.xattr.security.capability=", value, "\n")));
  CHECK(testing::run_tool({"tar", "--xattrs", "-tf", "-"}, tar) == "f\n");
}

TEST_CASE("a file of nine gibibytes has a header that readers understand") {
  static constexpr std::size_t kZeros = std::size_t{64} << 20;
  // A sparse file on disk: blocks of zeros are skipped.
  class SparseSink : public Sink {
   public:
    explicit SparseSink(int fd) : fd_(fd) {}
    void write(Bytes bytes) override {
      if (bytes.size() < kZeros)
        REQUIRE(::pwrite(fd_, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
      at += static_cast<off_t>(bytes.size());
    }
    off_t at = 0;

   private:
    int fd_;
  };
  const auto directory = testing::make_temp_directory();
  const auto path = directory.path() / "big.tar";
  const auto fd = open_file(path, O_RDWR | O_CREAT);
  SparseSink sink(fd.get());
  TarWriter writer(sink);
  const std::vector<std::byte> zeros(kZeros);
  writer.begin(file_entry("big", 144 * kZeros));
  for (int i = 0; i < 144; ++i) writer.write(zeros);
  writer.add(file_entry("small", 5), as_bytes("hello"));
  writer.finish();
  REQUIRE(::ftruncate(fd.get(), sink.at) == 0);
  CHECK(testing::run_tool({"tar", "--numeric-owner", "-tvf", path.string()}) ==
        "-rw-r--r-- 0/0      9663676416 1970-01-01 00:00 big\n"
        "-rw-r--r-- 0/0               5 1970-01-01 00:00 small\n");
  static constexpr const char* kScript =
      "import sys, tarfile\nprint([(e.name, e.size) for e in tarfile.open(sys.argv[1])])";
  CHECK(testing::run_tool({"python3", "-c", kScript, path.string()}) ==
        "[('big', 9663676416), ('small', 5)]\n");
}

TEST_CASE("how content is written does not matter") {
  std::string content;
  for (int i = 0; i < 700'000; ++i) content += static_cast<char>(i * 7 + i / 300);
  const auto entry = file_entry("f", content.size());
  const auto expected = write_tar([&](TarWriter& writer) { writer.add(entry, as_bytes(content)); });
  CHECK(expected.size() == 512 + (content.size() + 511) / 512 * 512 + 1024);

  for (const std::size_t piece : {std::size_t{1000}, kStreamBlock, std::size_t{600'000}})
    CHECK(write_tar([&](TarWriter& writer) {
            writer.begin(entry);
            for (std::size_t at = 0; at < content.size(); at += piece)
              writer.write(as_bytes(std::string_view(content).substr(at, piece)));
          }) == expected);

  for (const std::size_t piece : {std::size_t{1000}, kStreamBlock, std::size_t{600'000}})
    CHECK(write_tar([&](TarWriter& writer) {
            writer.begin(entry);
            for (std::size_t at = 0; at < content.size();) {
              const auto room = writer.buffer(piece);
              REQUIRE_FALSE(room.empty());
              REQUIRE(room.size() <= std::min(piece, content.size() - at));
              const auto part = as_bytes(std::string_view(content).substr(at, room.size()));
              std::copy(part.begin(), part.end(), room.begin());
              writer.commit_buffer(part.size());
              at += part.size();
            }
          }) == expected);
}

TEST_CASE("wrong use of the tar writer is an error") {
  StringSink out;
  TarWriter writer(out);
  CHECK(brief_error_of([&] { writer.add(file_entry("")); }) == "internal: '' is no path for a tar entry");
  CHECK(brief_error_of([&] { writer.add(file_entry("/etc")); }) ==
        "internal: '/etc' is no path for a tar entry");
  CHECK(brief_error_of([&] { writer.add(file_entry("etc/")); }) ==
        "internal: 'etc/' is no path for a tar entry");
  CHECK(brief_error_of([&] { writer.add({.path = "l", .type = EntryType::symlink, .size = 3}); }) ==
        "internal: the tar entry 'l' has a size but is no file");
  CHECK(brief_error_of([&] { writer.buffer(1); }) == "internal: no tar entry waits for content");
  writer.begin(file_entry("a", 3));
  writer.write(as_bytes("x"));
  CHECK(brief_error_of([&] { writer.add(file_entry("b")); }) ==
        "internal: the tar entry before 'b' lacks 2 bytes");
  CHECK(brief_error_of([&] { writer.write(as_bytes("1234")); }) ==
        "internal: a tar entry gets 2 bytes too many");
  CHECK(brief_error_of([&] { writer.finish(); }) == "internal: the last tar entry lacks 2 bytes");
}

TEST_CASE("what tar cannot hold is unsupported") {
  StringSink out;
  TarWriter writer(out);
  auto entry = file_entry("f");
  entry.xattrs = {{"user.a=b", "c"}};
  CHECK(brief_error_of([&] { writer.add(entry); }) ==
        "unsupported: the extended attribute 'user.a=b' of 'f' has a '=' in its name, which tar archives "
        "cannot hold");
  CHECK(brief_error_of([&] {
          writer.add({.path = "d", .type = EntryType::char_device, .device_major = 2097152});
        }) == "unsupported: the device number 2097152 of 'd' does not fit into a tar archive");
}
