// SHA-256 (FIPS 180-4) over OpenSSL, as a value, a running hash and stream adapters.
#pragma once

#include "base/stream.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dash {

using Sha256 = std::array<std::uint8_t, 32>;

std::string to_hex(std::span<const std::uint8_t> bytes);
// 64 lower-case hexadecimal digits, nothing else.
std::optional<Sha256> sha256_from_hex(std::string_view hex);
// RFC 4648 §5 without padding, as wheel RECORD files have it.
std::string to_base64url(std::span<const std::uint8_t> bytes);

// A running hash. `value` may be called once, at the end.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(Sha256Hasher&&) noexcept;
  Sha256Hasher& operator=(Sha256Hasher&&) noexcept;

  void update(Bytes bytes);
  Sha256 value();
  // A hash of the same bytes so far, to go on from here once more.
  Sha256Hasher clone() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256 sha256(Bytes bytes);
inline Sha256 sha256(std::string_view text) {
  return sha256(as_bytes(text));
}

// Of everything that is left in `source`.
Sha256 sha256(Source& source);

// Hashes what is read through it.
class HashingSource : public Source {
 public:
  explicit HashingSource(Source& next) : next_(next) {}
  std::size_t read(MutableBytes buffer) override {
    const auto count = next_.read(buffer);
    hasher_.update(buffer.first(count));
    return count;
  }
  Sha256 value() { return hasher_.value(); }

 private:
  Source& next_;
  Sha256Hasher hasher_;
};

// Hashes and counts what passes on to `next`.
class HashingSink : public Sink {
 public:
  explicit HashingSink(Sink& next) : next_(next) {}
  void write(Bytes bytes) override {
    hasher_.update(bytes);
    count_ += bytes.size();
    next_.write(bytes);
  }
  Sha256 value() { return hasher_.value(); }
  std::uint64_t count() const { return count_; }

 private:
  Sink& next_;
  Sha256Hasher hasher_;
  std::uint64_t count_ = 0;
};

}  // namespace dash
