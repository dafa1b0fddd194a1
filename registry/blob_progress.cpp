#include "registry/blob_progress.hpp"

namespace dash::registry {

namespace {
constexpr std::chrono::milliseconds kInterval{50};
}

void BlobProgress::at(std::uint64_t done) {
  const auto now = std::chrono::steady_clock::now();
  if (done >= total_ || now - last_ < kInterval) return;
  last_ = now;
  events_.emit(BytesMoved{step_, what_, done, total_});
}

void BlobProgress::finish() {
  events_.emit(BytesMoved{step_, what_, total_, total_});
}

}  // namespace dash::registry
