// The bounded queue between the thread that moves a body and the one that uses it.
#pragma once

#include "base/stream.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace dash::registry {

// Bytes on their way between two threads, at most kSize of them. Not thread-safe: the transfer's mutex guards
// it.
class ByteRing {
 public:
  static constexpr std::size_t kSize = std::size_t{1} << 20;  // of a body, in each direction

  std::size_t size() const { return size_; }
  std::size_t room() const { return kSize - size_; }
  // At most `room()` bytes.
  void push(Bytes bytes) {
    if (!memory_) memory_ = std::make_unique_for_overwrite<std::byte[]>(kSize);
    const auto at = (start_ + size_) % kSize;
    const auto first = std::min(bytes.size(), kSize - at);
    std::memcpy(&memory_[at], bytes.data(), first);
    if (first < bytes.size()) std::memcpy(&memory_[0], bytes.data() + first, bytes.size() - first);
    size_ += bytes.size();
  }
  // Fills the front of `out`; returns how many bytes.
  std::size_t pop(MutableBytes out) {
    const auto count = std::min(out.size(), size_);
    if (count == 0) return 0;
    const auto first = std::min(count, kSize - start_);
    std::memcpy(out.data(), &memory_[start_], first);
    if (first < count) std::memcpy(out.data() + first, &memory_[0], count - first);
    start_ = (start_ + count) % kSize;
    size_ -= count;
    return count;
  }

 private:
  std::unique_ptr<std::byte[]> memory_;  // NOLINT(modernize-avoid-c-arrays): left uninitialised on purpose
  std::size_t start_ = 0;
  std::size_t size_ = 0;
};

}  // namespace dash::registry
