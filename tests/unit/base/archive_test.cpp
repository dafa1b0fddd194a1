#include "base/archive.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/support/raw_tar.hpp"
#include "tests/support/tools.hpp"

#include <stdexcept>

#include <catch2/catch.hpp>

using namespace dash;
using Catch::Matchers::Contains;
using dash::testing::RawTar;
using dash::testing::run_script;
using dash::testing::run_tool;
using Format = ArchiveReader::Format;

namespace {

// "path type content" per entry.
std::string summary(Source& source, Format format) {
  ArchiveReader reader(source, format, "x");
  std::string out;
  while (const auto entry = reader.next()) {
    out += concat(entry->path, ' ', static_cast<int>(entry->type));
    if (!entry->link_target.empty()) out += concat(" -> ", entry->link_target);
    if (entry->type == EntryType::file) out += concat(' ', read_all(reader.content(), 1 << 20, "x"));
    out += '\n';
  }
  return out;
}
std::string summary(const std::string& bytes, Format format) {
  MemorySource source(bytes);
  return summary(source, format);
}

}  // namespace

TEST_CASE("tars of every kind and compression") {
  const TempDirectory base("/tmp");
  const auto in = concat("cd ", base.path().string(), "; ");
  run_script(in + "mkdir d; printf hello > d/f; ln d/f d/h; ln -s f d/s; mkfifo d/p");
  for (const char* format : {"v7", "ustar", "gnu", "pax", "posix"}) {
    if (std::string_view(format) == "v7") run_script(in + "rm d/p");
    for (const char* compress : {"", "--gzip", "--zstd", "--xz", "--bzip2"}) {
      run_script(concat(in, "tar --sort=name --format=", format, ' ', compress, " -cf t d"));
      FileSource source(base.path() / "t");
      INFO(format << compress);
      CHECK(summary(source, Format::tar) == (std::string_view(format) == "v7"
                                                 ? "d/ 1\nd/f 0 hello\nd/h 3 -> d/f\nd/s 2 -> f\n"
                                                 : "d/ 1\nd/f 0 hello\nd/h 3 -> d/f\nd/p 6\nd/s 2 -> f\n"));
    }
    if (std::string_view(format) == "v7") run_script(in + "mkfifo d/p");
  }
}

TEST_CASE("an entry has its metadata") {
  const auto bytes = RawTar()
                         .add({.name = "f",
                               .content = "abc",
                               .mode = 06751,
                               .uid = 3000000,
                               .gid = 4000000000,
                               .mtime = 12345678901,
                               .pax = {{"SCHILY.xattr.user.k", "v"}}})
                         .add({.name = "dev", .type = '3', .mode = 0600, .major = 4, .minor = 300})
                         .finish();
  MemorySource source(bytes);
  ArchiveReader reader(source, Format::tar, "x");
  const auto file = *reader.next();
  CHECK(file.mode == 06751);
  CHECK(file.uid == 3000000);
  CHECK(file.gid == 4000000000);
  CHECK(file.mtime == 12345678901);
  CHECK(file.size == 3);
  CHECK(file.xattrs == std::map<std::string, std::string>{{"user.k", "v"}});
  const auto device = *reader.next();
  CHECK(device.type == EntryType::char_device);
  CHECK(device.device_major == 4);
  CHECK(device.device_minor == 300);
  CHECK_FALSE(reader.next());
}

TEST_CASE("content may be read in part, or not, or by seeking past it") {
  const auto bytes = RawTar().file("a", std::string(1000000, 'a')).file("b", "bb").file("c", "").finish();
  const TempDirectory base("/tmp");
  write_file_atomic(base.path() / "t", bytes);
  FileSource file(base.path() / "t");
  MemorySource memory(bytes);
  for (Source* source : {static_cast<Source*>(&file), static_cast<Source*>(&memory)}) {
    ArchiveReader reader(*source, Format::tar, "x");
    CHECK(reader.next()->path == "a");
    std::vector<std::byte> buffer(10);
    CHECK(reader.read(buffer) > 0);
    CHECK(reader.next()->path == "b");
    CHECK(read_all(reader.content(), 10, "b") == "bb");
    CHECK(reader.read(buffer) == 0);
    CHECK(reader.next()->path == "c");
    CHECK(reader.read(buffer) == 0);
    CHECK_FALSE(reader.next());
  }
}

TEST_CASE("sparse files read with their holes") {
  const TempDirectory base("/tmp");
  for (const char* format : {"gnu", "pax"}) {
    run_script(concat("cd ", base.path().string(),
                      "; rm -f s; truncate -s 3M s; printf mid | dd of=s bs=1 seek=1M conv=notrunc ",
                      "2>/dev/null; tar -S --format=", format, " -cf t s"));
    FileSource source(base.path() / "t");
    ArchiveReader reader(source, Format::tar, "t");
    const auto entry = reader.next();
    CHECK(entry->path == "s");
    CHECK(entry->size == 3 << 20);
    std::string expected(3 << 20, '\0');
    expected.replace(1 << 20, 3, "mid");
    CHECK(read_all(reader.content(), 4 << 20, "s") == expected);
    CHECK_FALSE(reader.next());
  }
}

TEST_CASE("zip and ar") {
  const TempDirectory base("/tmp");
  run_tool({"python3", "-c", R"py(
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("pkg/ünï.py", "x" * 1000)
    z.writestr("stored", "s", zipfile.ZIP_STORED)
)py",
            (base.path() / "z").string()});
  FileSource zip(base.path() / "z");
  CHECK(summary(zip, Format::zip) == "pkg/ünï.py 0 " + std::string(1000, 'x') + "\nstored 0 s\n");
  run_script(concat(
      "cd ", base.path().string(),
      "; printf 2.0 > debian-binary; printf ccc > control.tar; ar rc a.deb debian-binary control.tar"));
  FileSource ar(base.path() / "a.deb");
  CHECK(summary(ar, Format::ar) == "debian-binary 0 2.0\ncontrol.tar 0 ccc\n");
}

TEST_CASE("damage names the archive; failures of the source come through") {
  const auto bytes = RawTar().file("a", std::string(5000, 'a')).finish();
  CHECK_THROWS_WITH(summary(bytes.substr(0, 3000), Format::tar), "x is damaged: Truncated tar archive");
  CHECK_THROWS_WITH(summary("no archive" + std::string(1000, '?'), Format::tar),
                    "x is damaged: Unrecognized archive format");
  CHECK(summary(std::string(), Format::tar).empty());

  class Failing : public Source {
   public:
    std::size_t read(MutableBytes) override { throw Error(ErrorCode::unavailable, "network gone"); }
  };
  Failing failing;
  CHECK_THROWS_WITH(summary(failing, Format::tar), "network gone");

  // The header is there, the rest is beyond the end of a file that could be skipped by seeking.
  const TempDirectory base("/tmp");
  write_file_atomic(base.path() / "t", bytes.substr(0, 3000));
  FileSource cut(base.path() / "t");
  ArchiveReader reader(cut, Format::tar, "cut.tar");
  CHECK(reader.next());
  CHECK_THROWS_WITH(reader.next(), Contains("cut.tar is damaged"));
}
