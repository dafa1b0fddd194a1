// Any bytes as a bundle's index, an inventory and the front of a bundle: an Error, or a value that comes back
// from its own JSON, whose archive begins as it must.
#include "base/error.hpp"
#include "registry/bundle/bundle_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

template <class Document>
void check(std::string_view text) {
  Document value;
  try {
    value = Document::parse(text, "fuzz");
  } catch (const dash::Error& error) {
    if (error.code() == dash::ErrorCode::internal) std::abort();
    return;
  }
  if (!(Document::parse(value.to_json(), "again") == value)) std::abort();
  if constexpr (requires { value.inventory(); }) {
    const dash::registry::BundlePlan plan(value);
    dash::MemorySource front(plan.front());
    if (!(dash::registry::read_bundle_front(front, "again") == value)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dash::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check<BundleIndex>(text);
  check<Inventory>(text);
  try {
    dash::MemorySource in(text);
    read_bundle_front(in, "fuzz");
  } catch (const dash::Error& error) {
    if (error.code() == dash::ErrorCode::internal) std::abort();
  }
  return 0;
}
