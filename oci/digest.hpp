// Content digests (image-spec descriptor.md, "Digests"). Only sha256 is produced and accepted.
#pragma once

#include "base/sha256.hpp"

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dash::oci {

// Digest of a blob's bytes as they are stored: "sha256:<64 hex digits>".
class Digest {
 public:
  explicit Digest(const Sha256& value) : value_(value) {}
  // Throws Error(corrupt) that quotes the text; other algorithms are Error(unsupported).
  static Digest parse(std::string_view text);
  static std::optional<Digest> try_parse(std::string_view text);
  static Digest of(Bytes bytes) { return Digest(sha256(bytes)); }
  static Digest of(std::string_view text) { return Digest(sha256(text)); }

  std::string to_string() const { return "sha256:" + hex(); }
  std::string hex() const { return to_hex(value_); }
  const Sha256& value() const { return value_; }
  auto operator<=>(const Digest&) const = default;

 private:
  Sha256 value_;
};

// Digest of a layer's uncompressed tar (image-spec config.md, "rootfs.diff_ids"). A type of its own, so that
// it is never taken for the digest of the blob.
class DiffId {
 public:
  explicit DiffId(const Sha256& value) : digest_(value) {}
  static DiffId parse(std::string_view text) { return DiffId(Digest::parse(text).value()); }
  std::string to_string() const { return digest_.to_string(); }
  std::string hex() const { return digest_.hex(); }
  auto operator<=>(const DiffId&) const = default;

 private:
  Digest digest_;
};

}  // namespace dash::oci

template <>
struct std::hash<dash::oci::Digest> {
  std::size_t operator()(const dash::oci::Digest& digest) const noexcept {
    std::size_t out = 0;
    for (std::size_t i = 0; i < sizeof out; ++i) out = (out << 8U) | digest.value()[i];
    return out;
  }
};
