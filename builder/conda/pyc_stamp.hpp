// The time in the header of compiled Python files (.pyc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dash::builder {

// What the header says of the source. Since Python 3.7 (PEP 552) a header may have a hash instead.
struct PycStamp {
  std::size_t offset = 0;  // of the time: four bytes, little-endian
  std::uint32_t time = 0;
  std::optional<std::uint32_t> size;  // of the source; since Python 3.3
};

// Nothing for what is no .pyc with a time.
std::optional<PycStamp> read_pyc_stamp(std::string_view content);

// The file with this time, where it has one.
std::string with_pyc_time(std::string_view content, std::uint32_t time);

}  // namespace dash::builder
