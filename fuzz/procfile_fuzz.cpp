// Any bytes as a Procfile: at least one entry with a type and a command, or an Error.
#include "base/error.hpp"
#include "builder/app/procfile.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto procfile = dash::builder::Procfile::parse({reinterpret_cast<const char*>(data), size});
    if (procfile.entries().empty()) std::abort();
    for (const auto& entry : procfile.entries())
      if (entry.type.empty() || entry.command.empty() || procfile.find(entry.type) != &entry) std::abort();
  } catch (const dash::Error&) {
  }
  return 0;
}
