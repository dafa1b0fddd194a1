// How far a transfer is.
#pragma once

#include "base/event.hpp"
#include "oci/descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace dash::registry {

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
