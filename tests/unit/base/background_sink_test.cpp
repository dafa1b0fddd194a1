#include "base/background_sink.hpp"

#include "base/error.hpp"
#include "tests/support/content.hpp"

#include <thread>

#include <catch2/catch.hpp>

using namespace dash;
using dash::testing::noise;

namespace {

class FailingSink : public Sink {
 public:
  explicit FailingSink(std::size_t limit) : left_(limit) {}
  void write(Bytes bytes) override {
    if (bytes.size() > left_) throw Error(ErrorCode::no_space, "the disk is full");
    left_ -= bytes.size();
  }

 private:
  std::size_t left_;
};

}  // namespace

TEST_CASE("a background sink passes everything on, in order") {
  const auto size = GENERATE(as<std::size_t>(), 0, 1, kStreamBlock - 1, kStreamBlock, kStreamBlock + 1,
                             20 * kStreamBlock + 17);
  const auto piece = GENERATE(as<std::size_t>(), 1000, kStreamBlock, 3 * kStreamBlock);
  const auto text = noise(size);
  StringSink out;
  {
    BackgroundSink sink(out);
    for (std::size_t at = 0; at < size; at += piece)
      sink.write(as_bytes(std::string_view(text).substr(at, piece)));
    sink.finish();
  }
  CHECK(out.text() == text);
}

TEST_CASE("a short stream needs no thread") {
  class ThreadSink : public Sink {
   public:
    void write(Bytes) override { id = std::this_thread::get_id(); }
    std::thread::id id;
  } out;
  BackgroundSink sink(out);
  sink.write(as_bytes(noise(kStreamBlock)));
  sink.finish();
  CHECK(out.id == std::this_thread::get_id());
}

TEST_CASE("what fails in the background is thrown in the foreground") {
  const auto limit = GENERATE(as<std::size_t>(), 0, kStreamBlock, 7 * kStreamBlock, 63 * kStreamBlock);
  FailingSink out(limit);
  BackgroundSink sink(out);
  const auto text = noise(kStreamBlock);
  const auto write_all = [&] {
    for (int i = 0; i < 64; ++i) sink.write(as_bytes(text));
    sink.finish();
  };
  CHECK_THROWS_WITH(write_all(), "the disk is full");
}

TEST_CASE("an abandoned background sink does not end its stream") {
  StringSink out;
  {
    BackgroundSink sink(out);
    sink.write(as_bytes(noise(kStreamBlock / 2)));
  }
  CHECK(out.text().empty());
}
