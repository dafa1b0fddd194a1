#include "base/bzip2.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "tests/support/conda_fixture.hpp"
#include "tests/support/content.hpp"

#include <bit>

#include <catch2/catch.hpp>

using namespace dash;
using dash::testing::bzip2_bytes;
using dash::testing::noise;

namespace {

std::string decoded(const std::string& file, ThreadPool* pool) {
  const auto source = make_bzip2_source(as_bytes(file), "x.bz2", pool);
  return read_all(*source, std::uint64_t{1} << 30, "x.bz2");
}

std::string error_of(const std::string& file, ThreadPool* pool) {
  try {
    decoded(file, pool);
    return "no error";
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::corrupt);
    return error.message();
  }
}

// Text of zeros and ones, and a place in it.
struct BitText {
  std::string bits;
  std::size_t at = 0;

  unsigned next(unsigned count) {
    unsigned out = 0;
    while (count-- > 0) out = 2 * out + (bits.at(at++) == '1' ? 1 : 0);
    return out;
  }
  static std::string of(std::uint64_t value, unsigned count) {
    std::string out;
    while (count-- > 0) out += ((value >> count) & 1U) != 0 ? '1' : '0';
    return out;
  }
};

// A file of one block, with one more Huffman table that nothing uses and whose code lengths happen to be
// written as `magic`: for each symbol "10" (one longer) and "11" (one shorter) up to a "0".
std::string with_magic_inside(const std::string& file, std::uint64_t magic) {
  BitText block;
  for (const char byte : file.substr(4)) block.bits += BitText::of(static_cast<unsigned char>(byte), 8);
  block.at = 48 + 32 + 1 + 24;  // magic, CRC, "randomised", origin
  unsigned symbols = 2;
  const unsigned used = block.next(16);
  for (unsigned i = 0; i < 16; ++i)
    if (((used >> i) & 1U) != 0) symbols += static_cast<unsigned>(std::popcount(block.next(16)));
  const std::size_t count_at = block.at;
  const unsigned tables = block.next(3);
  REQUIRE(tables < 6);
  for (unsigned left = block.next(15); left > 0; --left)
    while (block.next(1) == 1) {
    }
  for (unsigned table = 0; table < tables; ++table) {
    block.next(5);
    for (unsigned i = 0; i < symbols; ++i)
      while (block.next(1) == 1) block.next(1);
  }
  std::string more = BitText::of(10, 5) + BitText::of(magic, 48);
  BitText written{more, 5};
  unsigned ended = 0;
  while (written.at < written.bits.size()) {
    if (written.next(1) == 0) {
      ++ended;
    } else if (written.at == written.bits.size()) {
      more += '0';
      break;
    } else {
      written.next(1);
    }
  }
  REQUIRE(ended < symbols);
  more += std::string(symbols - ended, '0');
  std::string bits = block.bits.substr(0, count_at) + BitText::of(tables + 1, 3) +
                     block.bits.substr(count_at + 3, block.at - count_at - 3) + more +
                     block.bits.substr(block.at);
  // The padding of old is in the way of a following stream.
  const std::size_t end = bits.rfind(BitText::of(0x177245385090, 48));
  bits.resize(end + 48 + 32);
  bits.resize((bits.size() + 7) / 8 * 8, '0');
  BitText all{bits};
  std::string out = file.substr(0, 4);
  while (all.at < all.bits.size()) out += static_cast<char>(all.next(8));
  return out;
}

}  // namespace

TEST_CASE("bzip2: streams of many blocks, of one and of none, one after the other") {
  ThreadPool pool(3);
  const std::string many = noise(3'000'000);
  const std::string runs = std::string(8'000'000, 'x') + "end";
  const std::string all =
      bzip2_bytes(many) + bzip2_bytes("") + bzip2_bytes("one") + bzip2_bytes(runs) + "what is no stream";
  const std::string expected = many + "one" + runs;
  for (ThreadPool* workers : {static_cast<ThreadPool*>(nullptr), &pool})
    CHECK((decoded(all, workers) == expected));
  CHECK(decoded(bzip2_bytes(""), &pool).empty());
}

TEST_CASE("bzip2: inside tasks of the pool that helps") {
  ThreadPool pool(2);
  const std::string content = noise(2'500'000);
  const std::string file = bzip2_bytes(content);
  std::vector<std::future<bool>> results;
  for (int i = 0; i < 6; ++i) results.push_back(pool.submit([&] { return decoded(file, &pool) == content; }));
  for (auto& result : results) CHECK(result.get());
}

TEST_CASE("bzip2: a source that is not read to its end") {
  ThreadPool pool(2);
  auto file = std::make_unique<std::string>(bzip2_bytes(noise(3'000'000)));
  auto source = make_bzip2_source(as_bytes(*file), "x.bz2", &pool);
  std::vector<std::byte> some(10);
  CHECK(source->read(some) == 10);
  source.reset();
  file.reset();  // nobody looks at it any more, which sanitizers check
}

TEST_CASE("bzip2: what looks like the end of a block in the middle of it is none") {
  ThreadPool pool(2);
  const std::string content = noise(300);
  for (const std::uint64_t magic : {0x314159265359U, 0x177245385090U}) {
    const std::string file = with_magic_inside(bzip2_bytes(content), magic);
    for (ThreadPool* workers : {static_cast<ThreadPool*>(nullptr), &pool}) {
      CHECK((decoded(file, workers) == content));
      CHECK((decoded(file + bzip2_bytes("next"), workers) == content + "next"));
    }
  }
}

TEST_CASE("bzip2: damage is told") {
  ThreadPool pool(2);
  const std::string good = bzip2_bytes(noise(2'000'000));
  for (ThreadPool* workers : {static_cast<ThreadPool*>(nullptr), &pool}) {
    CHECK(error_of("", workers) == "x.bz2 is damaged: it does not begin as bzip2 files do");
    CHECK(error_of("BZh0123456789", workers) == "x.bz2 is damaged: it does not begin as bzip2 files do");
    CHECK(error_of("BZh9", workers) == "x.bz2 is damaged: it ends too early, or is no bzip2 file");
    CHECK(error_of("BZh9 and nothing more", workers) ==
          "x.bz2 is damaged: it ends too early, or is no bzip2 file");
    CHECK(error_of(good.substr(0, good.size() / 2), workers) ==
          "x.bz2 is damaged: a block cannot be decoded");
    CHECK(error_of(good.substr(0, good.size() - 4), workers) ==
          "x.bz2 is damaged: it ends too early, or is no bzip2 file");
    for (const std::size_t at : {good.size() / 3, good.size() / 2, good.size() - 20}) {
      std::string bad = good;
      bad[at] ^= 0x10;
      CHECK(error_of(bad, workers) == "x.bz2 is damaged: a block cannot be decoded");
    }
    std::string bad = good;
    bad[bad.size() - 3] ^= 0x10;
    CHECK(error_of(bad, workers) == "x.bz2 is damaged: a checksum is wrong");
  }
}
