// Any bytes as what registries and configuration files say: values or an Error, nothing else.
#include "base/error.hpp"
#include "registry/base64.hpp"
#include "registry/challenge.hpp"
#include "registry/link.hpp"
#include "registry/registry_error.hpp"
#include "registry/retry.hpp"
#include "registry/url.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dash::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& challenge : parse_challenges(text))
    if (challenge.scheme.empty()) std::abort();
  next_link(text);
  parse_registry_errors(text);
  parse_retry_after(text, 0);
  if (const auto bytes = base64_decode(text); bytes && base64_decode(base64_encode(*bytes)) != bytes)
    std::abort();
  if (const auto url = Url::parse(text)) {
    const auto again = Url::parse(url->to_string());
    if (!again || !again->same_origin(*url)) std::abort();
    url->resolve(text);
  }
  return 0;
}
