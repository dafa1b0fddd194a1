// Keeps what a build says, for tests to look at.
#pragma once

#include "base/event.hpp"

#include <mutex>
#include <string>
#include <variant>
#include <vector>

namespace dash::testing {

class RecordedEvents : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    const std::scoped_lock guard(mutex_);
    if (const auto* log = std::get_if<StepLog>(&event)) log_ += log->line + '\n';
    if (const auto* warning = std::get_if<Warning>(&event)) warnings_.push_back(warning->text);
  }

  // The lines of all steps.
  std::string log() const {
    const std::scoped_lock guard(mutex_);
    return log_;
  }
  std::vector<std::string> warnings() const {
    const std::scoped_lock guard(mutex_);
    return warnings_;
  }

 private:
  mutable std::mutex mutex_;
  std::string log_;
  std::vector<std::string> warnings_;
};

}  // namespace dash::testing
