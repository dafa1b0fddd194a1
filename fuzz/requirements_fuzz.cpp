// Any bytes as a requirements file: entries or an Error, nothing else.
#include "base/error.hpp"
#include "builder/app/requirements_syntax.hpp"
#include "builder/app/text_file.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    std::string bytes(reinterpret_cast<const char*>(data), size);
    const auto text = dash::builder::decode_text(std::move(bytes), "r.txt", dash::builder::Utf16::decode);
    dash::builder::parse_requirements(text, "r.txt");
  } catch (const dash::Error&) {
  }
  return 0;
}
