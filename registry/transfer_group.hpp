// Transfers that belong together: in parallel, and when one fails the others stop.
#pragma once

#include "base/event.hpp"
#include "base/thread_pool.hpp"
#include "oci/descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

namespace dash::registry {

class TransferGroup {
 public:
  // `outer` stops the group, too.
  explicit TransferGroup(const std::stop_token& outer) : link_(outer, [this] { stop_.request_stop(); }) {}
  TransferGroup(const TransferGroup&) = delete;
  TransferGroup& operator=(const TransferGroup&) = delete;

  // For everything that belongs to the group.
  std::stop_token stop() const { return stop_.get_token(); }

  // Calls `body(0) … body(count - 1)` on the pool's threads, begun in that order, and waits for all. The
  // first exception in time stops the group and is thrown at the end.
  void for_each(ThreadPool& pool, std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> link_;
  std::mutex mutex_;
  std::exception_ptr first_;
};

// Tells how far one blob is, not more often than a person can see. Belongs to one thread.
class BlobProgress {
 public:
  BlobProgress(EventSink& events, std::string step, const oci::Descriptor& blob)
      : events_(events),
        step_(std::move(step)),
        what_(blob.digest.to_string().substr(0, 19)),
        total_(blob.size) {}
  void at(std::uint64_t done);
  void finish();

 private:
  EventSink& events_;
  std::string step_;
  std::string what_;
  std::uint64_t total_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace dash::registry
