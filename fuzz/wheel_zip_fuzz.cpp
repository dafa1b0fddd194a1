// Any bytes as a wheel file: an Error, or a plan that stays below the prefix and whose content can be read.
#include "fuzz/wheel_check.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dash::fuzz::check_wheel({reinterpret_cast<const char*>(data), size});
  return 0;
}
