#include "oci/compression.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "oci/descriptor.hpp"
#include "tests/support/tools.hpp"

#include <random>
#include <set>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::oci;

namespace {

// Compressible, but not trivially: words from a small vocabulary. The same for the same arguments everywhere.
std::string make_text(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::string> words;
  for (int i = 0; i < 4000; ++i) {
    std::string word;
    for (auto left = 2 + random() % 9; left > 0; --left) word += static_cast<char>('a' + random() % 26);
    words.push_back(word + ' ');
  }
  std::string text;
  while (text.size() < size) text += words[random() % words.size()];
  text.resize(size);
  return text;
}

std::string compress(const Compression& compression, std::string_view text, unsigned threads = 2,
                     std::size_t piece = std::string_view::npos) {
  ThreadPool pool(threads);
  StringSink out;
  const auto compressor = make_compressor(compression, out, pool);
  for (std::size_t at = 0; at < text.size(); at += std::min(piece, text.size()))
    compressor->write(as_bytes(text.substr(at, piece)));
  compressor->finish();
  return out.take();
}

std::string decompress(std::string bytes) {
  const auto source = make_decompressor(std::make_unique<MemorySource>(bytes), "the layer");
  return read_all(*source, std::uint64_t{1} << 30, "the layer");
}

const Compression kZstd{Algorithm::zstd, 3};
const Compression kGzip{Algorithm::gzip, 6};
const Compression kNone{Algorithm::none, 0};

}  // namespace

TEST_CASE("compressions have names") {
  struct Case {
    std::string_view text, name, media_type;
  };
  const auto [text, name, media_type] = GENERATE(values<Case>({
      {"zstd", "zstd:3", media_type::kLayerZstd},
      {"zstd:19", "zstd:19", media_type::kLayerZstd},
      {"gzip", "gzip:5", media_type::kLayerGzip},
      {"gzip:1", "gzip:1", media_type::kLayerGzip},
      {"none", "none", media_type::kLayerTar},
  }));
  const auto compression = Compression::parse(text);
  CHECK(compression.to_string() == name);
  CHECK(Compression::parse(compression.to_string()).to_string() == name);
  CHECK(compression.layer_media_type() == media_type);
}

TEST_CASE("wrong names of compressions are explained") {
  struct Case {
    std::string_view text, message;
  };
  const auto [text, message] = GENERATE(values<Case>({
      {"", "'' is no compression"},
      {"xz", "'xz' is no compression"},
      {"zstd:", "'zstd:': the level of zstd is a number from 1 to 19"},
      {"zstd:0", "'zstd:0': the level of zstd is a number from 1 to 19"},
      {"zstd:20", "'zstd:20': the level of zstd is a number from 1 to 19"},
      {"gzip:10", "'gzip:10': the level of gzip is a number from 1 to 9"},
      {"gzip:fast", "'gzip:fast': the level of gzip is a number from 1 to 9"},
      {"none:1", "'none:1': the compression none has no levels"},
  }));
  try {
    Compression::parse(text);
    FAIL("accepted " << text);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::usage);
    CHECK(error.message() == message);
  }
}

TEST_CASE("identities tell everything apart that gives other bytes") {
  std::set<std::string> identities;
  for (const auto* text : {"zstd", "zstd:4", "gzip", "gzip:6", "none"})
    identities.insert(Compression::parse(text).identity());
  CHECK(identities.size() == 5);
  CHECK(dash::contains(kZstd.identity(), "libzstd 1."));
  CHECK(dash::contains(kGzip.identity(), "libdeflate 1."));
}

TEST_CASE("the bytes depend neither on threads nor on how the input is cut") {
  const auto compression = GENERATE(kZstd, kGzip, kNone, Compression{Algorithm::zstd, 1});
  const auto text = make_text((std::size_t{20} << 20) + 12345);  // several jobs of zstd
  const auto expected = sha256(compress(compression, text, 1));
  for (const unsigned threads : {2U, 8U}) CHECK(sha256(compress(compression, text, threads)) == expected);
  for (const std::size_t piece : {std::size_t{777}, kStreamBlock, std::size_t{3} << 20})
    CHECK(sha256(compress(compression, text, 2, piece)) == expected);
  CHECK(decompress(compress(compression, text)) == text);
}

TEST_CASE("short input depends on nothing either") {
  const auto compression = GENERATE(kZstd, kGzip);
  const auto size = GENERATE(as<std::size_t>(), 1, 100, 1 << 20, (1 << 20) + 1);
  const auto text = make_text(size);
  const auto whole = compress(compression, text, 1);
  CHECK(compress(compression, text, 8, 1000) == whole);
  CHECK(decompress(whole) == text);
}

TEST_CASE("an empty write changes nothing") {
  const auto compression = GENERATE(kZstd, kGzip);
  ThreadPool pool(2);
  StringSink out;
  const auto compressor = make_compressor(compression, out, pool);
  compressor->write({});
  compressor->finish();
  CHECK(out.text() == compress(compression, ""));
  CHECK_FALSE(out.text().empty());
  CHECK(decompress(out.text()).empty());
}

TEST_CASE("other programs accept what the compressors write") {
  const auto directory = testing::make_temp_directory();
  const auto file = (directory.path() / "blob").string();
  const auto size = GENERATE(as<std::size_t>(), 0, 5, (std::size_t{9} << 20) + 1);
  const auto text = make_text(size);
  const auto gzip = compress(kGzip, text);
  write_file_atomic(file, gzip);
  testing::run_tool({"gzip", "-t", file});
  CHECK(testing::run_tool({"gzip", "-dc"}, gzip) == text);
  const auto zstd = compress(kZstd, text);
  write_file_atomic(file, zstd);
  testing::run_tool({"zstd", "-qt", file});
  CHECK(testing::run_tool({"zstd", "-dc"}, zstd) == text);
}

TEST_CASE("gzip headers hold no time, name or operating system") {
  const auto bytes = compress(kGzip, "hello");
  REQUIRE(bytes.size() > 10);
  CHECK(bytes.substr(0, 8) == std::string_view("\x1f\x8b\x08\x00\x00\x00\x00\x00", 8));
  CHECK(bytes[9] == '\xff');
}

TEST_CASE("a failing destination fails the compressor in the calling thread") {
  class Full : public Sink {
   public:
    void write(Bytes) override { throw Error(ErrorCode::no_space, "the disk is full"); }
  } full;
  const auto compression = GENERATE(kZstd, kGzip, kNone);
  ThreadPool pool(2);
  const auto compressor = make_compressor(compression, full, pool);
  const auto text = make_text(std::size_t{12} << 20);
  const auto feed = [&] {
    compressor->write(as_bytes(text));
    compressor->finish();
  };
  CHECK_THROWS_WITH(feed(), "the disk is full");
}

TEST_CASE("a compressor can be abandoned while its threads work") {
  const auto compression = GENERATE(kZstd, kGzip);
  ThreadPool pool(2);
  NullSink out;
  const auto text = make_text(std::size_t{9} << 20);
  make_compressor(compression, out, pool)->write(as_bytes(text));
}

TEST_CASE("members and frames may follow each other") {
  CHECK(decompress(compress(kGzip, "one ") + compress(kGzip, "") + compress(kGzip, "two")) == "one two");
  CHECK(decompress(compress(kZstd, "one ") + compress(kZstd, "") + compress(kZstd, "two")) == "one two");
  const std::string skippable("\x5a\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
  CHECK(decompress(skippable + compress(kZstd, "one ") + skippable + compress(kZstd, "two") + skippable) ==
        "one two");
}

TEST_CASE("what is not compressed passes through") {
  const auto text = GENERATE(as<std::string>(), "", "x", "abc", "plain text", make_text(700'000));
  CHECK(decompress(text) == text);
}

TEST_CASE("input in small pieces decompresses too") {
  class Dripping : public Source {
   public:
    explicit Dripping(std::string_view text) : source_(text) {}
    std::size_t read(MutableBytes buffer) override {
      return source_.read(buffer.first(std::min<std::size_t>(buffer.size(), 1)));
    }

   private:
    MemorySource source_;
  };
  const auto compression = GENERATE(kZstd, kGzip, kNone);
  const auto text = make_text(50'000);
  const auto bytes = compress(compression, text);
  const auto source = make_decompressor(std::make_unique<Dripping>(bytes), "the layer");
  CHECK(read_all(*source, 1 << 20, "the layer") == text);
}

TEST_CASE("truncated input is corrupt wherever it is cut") {
  const auto text = make_text(3000);
  for (const auto& [compression, message] :
       {std::pair{kGzip, "the layer is damaged: the gzip data is cut short"},
        std::pair{kZstd, "the layer is damaged: the zstd data is cut short"}}) {
    const auto bytes = compress(compression, text);
    for (std::size_t size = 4; size < bytes.size(); ++size) {
      try {
        decompress(bytes.substr(0, size));
        FAIL(compression.to_string() << " cut at " << size << " of " << bytes.size() << " was accepted");
      } catch (const Error& error) {
        if (error.code() != ErrorCode::corrupt || error.message() != message)
          FAIL(compression.to_string() << " cut at " << size << ": " << error.message());
      }
    }
  }
}

TEST_CASE("damaged input is corrupt") {
  const auto text = make_text(300'000);
  auto gzip = compress(kGzip, text);
  gzip[gzip.size() - 6] = static_cast<char>(gzip[gzip.size() - 6] ^ 1);  // in the checksum
  CHECK_THROWS_WITH(decompress(gzip), "the layer is damaged: the gzip data is invalid: incorrect data check");
  CHECK_THROWS_WITH(decompress(compress(kGzip, text) + "garbage"),
                    "the layer is damaged: the gzip data is invalid: incorrect header check");
  CHECK_THROWS_WITH(decompress(compress(kZstd, text) + "garbage"),
                    "the layer is damaged: the zstd data is invalid: Unknown frame descriptor");
}
