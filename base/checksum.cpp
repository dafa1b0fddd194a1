#include "base/checksum.hpp"

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

#include <array>
#include <memory>
#include <vector>

#include <openssl/evp.h>

namespace dash {
namespace {

const EVP_MD* method(std::string_view algorithm) {
  if (algorithm == "md5") return EVP_md5();
  if (algorithm == "sha256") return EVP_sha256();
  if (algorithm == "sha384") return EVP_sha384();
  if (algorithm == "sha512") return EVP_sha512();
  throw Error(ErrorCode::internal, concat("unknown hash algorithm ", quoted(algorithm)));
}

}  // namespace

std::string checksum_hex(std::string_view algorithm, Source& source) {
  const auto fail = [] { return Error(ErrorCode::internal, "OpenSSL cannot compute a hash"); };
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), method(algorithm), nullptr) != 1) throw fail();
  std::vector<std::byte> buffer(std::size_t{256} * 1024);
  while (const auto count = source.read(buffer))
    if (EVP_DigestUpdate(context.get(), buffer.data(), count) != 1) throw fail();
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context.get(), value.data(), &size) != 1) throw fail();
  return to_hex(std::span(value).first(size));
}

}  // namespace dash
