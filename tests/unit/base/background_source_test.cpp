#include "base/background_source.hpp"

#include "base/error.hpp"
#include "tests/support/content.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using dash::testing::noise;

namespace {

// Gives its text in small pieces, then fails or ends.
class SlowSource : public Source {
 public:
  enum class End { clean, failure };
  SlowSource(std::string text, End end) : text_(std::move(text)), end_(end) {}
  std::size_t read(MutableBytes buffer) override {
    if (at_ == text_.size() && end_ == End::failure) throw Error(ErrorCode::corrupt, "the rest is missing");
    const auto count = std::min({buffer.size(), std::size_t{70'000}, text_.size() - at_});
    const auto piece = as_bytes(std::string_view(text_).substr(at_, count));
    std::copy(piece.begin(), piece.end(), buffer.begin());
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  End end_;
  std::size_t at_ = 0;
};

}  // namespace

TEST_CASE("a background source gives everything, in order") {
  const auto size = GENERATE(as<std::size_t>(), 0, 1, kStreamBlock - 1, kStreamBlock, kStreamBlock + 1,
                             20 * kStreamBlock + 17);
  const auto piece = GENERATE(as<std::size_t>(), 1000, kStreamBlock, 3 * kStreamBlock);
  const auto text = noise(size);
  SlowSource slow(text, SlowSource::End::clean);
  BackgroundSource source(slow);
  std::string out;
  std::vector<std::byte> buffer(piece);
  while (const auto count = source.read(buffer)) out += as_text(Bytes(buffer).first(count));
  CHECK(out == text);
  CHECK(source.read(buffer) == 0);
}

TEST_CASE("a failure comes where it happened, after all that was read before") {
  const auto blocks = GENERATE(as<std::size_t>(), 0, 1, 6);
  const auto text = noise(blocks * kStreamBlock);
  SlowSource slow(text, SlowSource::End::failure);
  BackgroundSource source(slow);
  std::string out;
  std::vector<std::byte> buffer(10'000);
  CHECK_THROWS_WITH(([&] {
                      while (const auto count = source.read(buffer))
                        out += as_text(Bytes(buffer).first(count));
                    }()),
                    "the rest is missing");
  CHECK(out == text);
}

TEST_CASE("a background source may be left unread") {
  SlowSource slow(noise(20 * kStreamBlock), SlowSource::End::clean);
  { const BackgroundSource untouched(slow); }
  BackgroundSource source(slow);
  std::vector<std::byte> buffer(10);
  CHECK(source.read(buffer) == 10);
}
