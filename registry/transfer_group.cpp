#include "registry/transfer_group.hpp"

#include "base/error.hpp"

namespace dash::registry {

namespace {
constexpr std::chrono::milliseconds kInterval{50};
}

void TransferGroup::for_each(ThreadPool& pool, std::size_t count,
                             const std::function<void(std::size_t)>& body) {
  pool.for_each(count, [&](std::size_t i) {
    try {
      if (stop_.stop_requested()) throw Error(ErrorCode::canceled, "canceled");
      body(i);
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!first_) first_ = std::current_exception();
      stop_.request_stop();
    }
  });
  if (first_) std::rethrow_exception(std::exchange(first_, nullptr));
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
