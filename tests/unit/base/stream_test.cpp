#include "base/stream.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sha256.hpp"

#include <algorithm>

#include <catch2/catch.hpp>
#include <fcntl.h>

using namespace dash;

TEST_CASE("sinks pass on, count and duplicate") {
  StringSink one;
  StringSink two;
  CountingSink counting(one);
  TeeSink tee(counting, two);
  tee.write(as_bytes("abc"));
  tee.write({});
  tee.write(as_bytes("de"));
  CHECK(one.text() == "abcde");
  CHECK(two.take() == "abcde");
  CHECK(counting.count() == 5);
}

TEST_CASE("memory is read in pieces and again") {
  MemorySource source("abcde");
  std::vector<std::byte> buffer(2);
  CHECK(source.read(buffer) == 2);
  CHECK(read_all(source, 100, "rest") == "cde");
  CHECK(source.read(buffer) == 0);
  source.restart();
  CHECK(read_all(source, 5, "all") == "abcde");
}

TEST_CASE("limits are exact and name what is too large") {
  MemorySource exact("abcde");
  CHECK(read_all(exact, 5, "x") == "abcde");
  MemorySource over("abcdef");
  CHECK_THROWS_WITH(read_all(over, 5, "the file"), "the file is larger than the limit of 5 B");
  MemorySource none("");
  CHECK(read_all(none, 0, "x").empty());
}

TEST_CASE("copies move everything") {
  const std::string large(3 * kStreamBlock + 17, 'q');
  MemorySource source(large);
  StringSink sink;
  CHECK(copy(source, sink) == large.size());
  CHECK(sink.text() == large);
}

TEST_CASE("descriptors are written and read whole, failures name them") {
  const TempDirectory base("/tmp");
  const auto file = open_file(base.path() / "f", O_RDWR | O_CREAT);
  FdSink(file.get(), "f").write(as_bytes("content"));
  FileSource source(base.path() / "f");
  CHECK(read_all(source, 100, "f") == "content");
  source.restart();
  CHECK(source.skip(3) == 3);
  CHECK(read_all(source, 100, "f") == "tent");
  CHECK(source.skip(1) == 0);
  source.restart();
  CHECK(source.skip(1000) == 7);
  const auto full = open_file("/dev/full", O_WRONLY);
  CHECK_THROWS_WITH(FdSink(full.get(), "the disk").write(as_bytes("x")),
                    "cannot write the disk: No space left on device");
  const auto directory = open_file(base.path(), O_RDONLY);
  std::vector<std::byte> buffer(1);
  CHECK_THROWS_WITH(FdSource(directory.get(), "dir").read(buffer), "cannot read dir: Is a directory");
}

TEST_CASE("SHA-256 by the vectors of FIPS 180-4") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  MemorySource source("--abc");
  std::vector<std::byte> passed(2);
  source.read(passed);
  CHECK(sha256(source) == sha256("abc"));
  Sha256Hasher hasher;
  const std::string block(1000, 'a');
  for (int i = 0; i < 1000; ++i) hasher.update(as_bytes(block));
  CHECK(to_hex(hasher.value()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("hexadecimal and base64url") {
  const auto value = sha256("abc");
  CHECK(sha256_from_hex(to_hex(value)) == value);
  CHECK_FALSE(sha256_from_hex("ba78"));
  auto upper = to_hex(value);
  upper[0] = 'B';
  CHECK_FALSE(sha256_from_hex(upper));
  CHECK_FALSE(sha256_from_hex(std::string(64, 'g')));
  // RFC 4648 section 10, without padding; and the two letters that differ from base64.
  const auto encode = [](std::string_view text) {
    return to_base64url({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  CHECK(encode("").empty());
  CHECK(encode("f") == "Zg");
  CHECK(encode("fo") == "Zm8");
  CHECK(encode("foo") == "Zm9v");
  CHECK(encode("foobar") == "Zm9vYmFy");
  CHECK(encode("\xfb\xff\xfe") == "-__-");
}
