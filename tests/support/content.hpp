// Content for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dash::testing {

// Bytes that do not compress and are the same each time; other seeds give other bytes.
inline std::string noise(std::size_t size, unsigned seed = 1) {
  std::string out(size, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (auto& c : out) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    c = static_cast<char>(state);
  }
  return out;
}

}  // namespace dash::testing
