// Any bytes as the name of an image: a usage error, or a name that reads back as itself.
#include "base/error.hpp"
#include "oci/image_location.hpp"
#include "oci/reference.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto reference = dash::oci::Reference::parse(text);
    if (reference.to_string() != text || reference.repository.empty()) std::abort();
  } catch (const dash::Error&) {
  }
  try {
    const auto location = dash::oci::ImageLocation::parse(text);
    if (dash::oci::ImageLocation::parse(location.to_string()).to_string() != location.to_string())
      std::abort();
  } catch (const dash::Error&) {
  }
  return 0;
}
