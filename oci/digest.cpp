#include "oci/digest.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace dash::oci {

std::optional<Digest> Digest::try_parse(std::string_view text) {
  if (!text.starts_with("sha256:")) return std::nullopt;
  const auto value = sha256_from_hex(text.substr(7));
  return value ? std::optional(Digest(*value)) : std::nullopt;
}

Digest Digest::parse(std::string_view text) {
  if (const auto digest = try_parse(text)) return *digest;
  if (text.starts_with("sha512:"))
    throw Error(ErrorCode::unsupported,
                concat("the digest ", quoted(text), " uses sha512; only sha256 is supported"));
  throw Error(ErrorCode::corrupt,
              concat(quoted(text), " is not a digest of the form sha256:<64 hexadecimal digits>"));
}

}  // namespace dash::oci
