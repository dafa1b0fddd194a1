#include "base/sha256.hpp"

#include "base/error.hpp"

#include <openssl/evp.h>

namespace dash {

namespace {
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const EVP_MD* sha256_algorithm() {
  // Fetching once is thread-safe and saves the provider lookup that every EVP_DigestInit would do.
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kAlgorithm;
}
}  // namespace

std::string to_hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    out += kHexDigits[byte >> 4U];
    out += kHexDigits[byte & 15U];
  }
  return out;
}

std::optional<Sha256> sha256_from_hex(std::string_view hex) {
  Sha256 out{};
  if (hex.size() != out.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const auto digit = kHexDigits.find(hex[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    out[i / 2] = static_cast<std::uint8_t>((out[i / 2] << 4U) | digit);
  }
  return out;
}

std::string to_base64url(std::span<const std::uint8_t> bytes) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const auto byte : bytes) {
    bits = (bits << 8U) | byte;
    for (held += 8; held >= 6; held -= 6) out += kBase64Url[(bits >> (held - 6)) & 63U];
  }
  if (held > 0) out += kBase64Url[(bits << (6 - held)) & 63U];
  return out;
}

struct Sha256Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context, sha256_algorithm(), nullptr) != 1)
    throw Error(ErrorCode::internal, "OpenSSL offers no SHA-256");
}
Sha256Hasher::~Sha256Hasher() = default;
Sha256Hasher::Sha256Hasher(Sha256Hasher&&) noexcept = default;
Sha256Hasher& Sha256Hasher::operator=(Sha256Hasher&&) noexcept = default;

void Sha256Hasher::update(Bytes bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

Sha256 Sha256Hasher::value() {
  Sha256 out{};
  EVP_DigestFinal_ex(state_->context, out.data(), nullptr);
  return out;
}

Sha256Hasher Sha256Hasher::clone() const {
  Sha256Hasher out;
  if (EVP_MD_CTX_copy_ex(out.state_->context, state_->context) != 1)
    throw Error(ErrorCode::internal, "OpenSSL cannot copy a SHA-256 state");
  return out;
}

Sha256 sha256(Bytes bytes) {
  Sha256Hasher hasher;
  hasher.update(bytes);
  return hasher.value();
}

Sha256 sha256(Source& source) {
  HashingSource hashing(source);
  NullSink nowhere;
  copy(hashing, nowhere);
  return hashing.value();
}

}  // namespace dash
