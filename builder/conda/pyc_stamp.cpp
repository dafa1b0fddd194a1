#include "builder/conda/pyc_stamp.hpp"

namespace dash::builder {
namespace {

// Magic numbers (importlib's list): Python 2 has 20121 to 62211, Python 3 starts with 3000.
constexpr std::uint32_t kPython3 = 3000;
constexpr std::uint32_t kWithSize = 3190;   // 3.3
constexpr std::uint32_t kWithFlags = 3390;  // 3.7
constexpr std::uint32_t kFirstPython2 = 20121;

std::uint32_t u32(std::string_view bytes, std::size_t offset) {
  std::uint32_t out = 0;
  for (std::size_t i = 4; i-- > 0;) out = (out << 8U) | static_cast<unsigned char>(bytes[offset + i]);
  return out;
}

}  // namespace

std::optional<PycStamp> read_pyc_stamp(std::string_view content) {
  if (content.size() < 16 || content.substr(2, 2) != "\r\n") return std::nullopt;
  const std::uint32_t magic = u32(content, 0) & 0xffffU;
  if (magic < kPython3) return std::nullopt;
  if (magic >= kFirstPython2 || magic < kWithSize) return PycStamp{4, u32(content, 4), std::nullopt};
  if (magic < kWithFlags) return PycStamp{4, u32(content, 4), u32(content, 8)};
  if (u32(content, 4) != 0) return std::nullopt;  // a hash
  return PycStamp{8, u32(content, 8), u32(content, 12)};
}

std::string with_pyc_time(std::string_view content, std::uint32_t time) {
  std::string out(content);
  if (const auto stamp = read_pyc_stamp(content))
    for (unsigned i = 0; i < 4; ++i) out[stamp->offset + i] = static_cast<char>((time >> (8 * i)) & 0xffU);
  return out;
}

}  // namespace dash::builder
