// Sizes and times as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace dash::cli {

// "650M", "4G", "1000000": bytes, with K, M, G and T as powers of 1024. Error(usage) that names `option`.
std::uint64_t parse_size(std::string_view text, std::string_view option);

// "30d", "12h", "90m", "10s", or "0". Error(usage) that names `option`.
std::chrono::seconds parse_duration(std::string_view text, std::string_view option);

}  // namespace dash::cli
