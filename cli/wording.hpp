// Words that reports share.
#pragma once

#include "base/text.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace dash::cli {

// "1 image", "20 images": a noun with its number.
inline std::string counted(std::uint64_t count, std::string_view noun) {
  return concat(count, ' ', noun, count == 1 ? "" : "s");
}

}  // namespace dash::cli
