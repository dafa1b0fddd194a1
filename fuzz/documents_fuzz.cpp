// Any bytes as a manifest, an index and a configuration: an Error, or a value that comes back from its own
// JSON.
#include "base/error.hpp"
#include "oci/manifest.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

template <class Document>
void check(std::string_view text) {
  std::string json;
  try {
    json = Document::parse(text, "fuzz").to_json();
  } catch (const dash::Error& error) {
    if (error.code() == dash::ErrorCode::internal) std::abort();
    return;
  }
  if (Document::parse(json, "again").to_json() != json) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check<dash::oci::Manifest>(text);
  check<dash::oci::Index>(text);
  check<dash::oci::ImageConfig>(text);
  return 0;
}
