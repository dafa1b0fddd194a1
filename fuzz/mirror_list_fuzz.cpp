// Any bytes as a mirror list: an Error, or images whose tags can be chosen and whose destinations are names.
#include "base/error.hpp"
#include "registry/mirror/mirror_list.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>

namespace {

using namespace dash;

void check(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal || error.message().empty()) std::abort();
  }
}

void check_image(const registry::MirrorImage& image) {
  for (const auto* tag : {"1", "v1.2", "1.2-rc.1", "a"}) {
    const bool matches = image.tags.matches(tag);
    if (matches && image.tags.include.empty() && !image.tags.needs_list()) std::abort();
  }
  for (const auto& name : image.tags.names())
    if (!image.tags.matches(name)) std::abort();
  if (!image.destination) return;
  check([&] {
    auto source = image.source;
    if (source.registry.empty()) source.registry = "registry.example";
    if (source.tag.empty() && !source.digest) source.tag = "1";
    const auto repository = image.destination->repository_for(source);
    const auto name = image.destination->image_for(source);
    if (name.registry != repository.registry || name.repository != repository.repository) std::abort();
    if (oci::Reference::parse(name.to_string()).to_string() != name.to_string()) std::abort();
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check([&] {
    for (const auto& image : registry::MirrorList::parse(text, "fuzz").images) check_image(image);
  });
  return 0;
}
