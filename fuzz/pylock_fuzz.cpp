// Any bytes as the resolver's answer: packages with names, or Error(corrupt).
#include "base/error.hpp"
#include "builder/python/direct_url.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto lock = dash::builder::Lock::parse({reinterpret_cast<const char*>(data), size}, "/app");
    for (const auto& package : lock.packages) {
      if (package.name.empty()) std::abort();
      dash::builder::direct_url_json(package);
    }
  } catch (const dash::Error& error) {
    if (error.code() != dash::ErrorCode::corrupt) std::abort();
  }
  return 0;
}
