#include "base/text.hpp"
#include "cli/event_text.hpp"
#include "cli/renderers.hpp"

#include <mutex>

namespace dash::cli {

namespace {

std::string line_of(const Event& event) {
  return std::visit(
      Overloaded{[](const StepPlanned& e) {
                   return concat(step_prefix(e.step), to_string(e.decision), ": ", e.reason);
                 },
                 [](const StepStarted&) { return std::string(); },
                 [](const StepLog& e) { return step_prefix(e.step) + e.line; },
                 [](const StepFinished& e) {
                   return concat(step_prefix(e.step), "done in ", seconds_text(e.elapsed));
                 },
                 [](const BytesMoved& e) {
                   if (e.total == 0 || e.done != e.total) return std::string();
                   return concat(step_prefix(e.step), e.what, ' ', human_size(e.total));
                 },
                 [](const LayerReady& e) {
                   return concat(step_prefix(e.step), "layer ", e.digest, ' ', human_size(e.size));
                 },
                 [](const Note& e) { return concat(step_prefix(e.step), "note: ", e.text); },
                 [](const Warning& e) { return concat(step_prefix(e.step), "warning: ", e.text); }},
      event);
}

class PlainRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    const auto line = line_of(event);
    const std::lock_guard lock(mutex_);
    if (!line.empty()) print_line(line);
  }

 private:
  std::mutex mutex_;
};

// Only what a person must know.
class QuietRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    if (!std::holds_alternative<Warning>(event)) return;
    const std::lock_guard lock(mutex_);
    print_line(line_of(event));
  }

 private:
  std::mutex mutex_;
};

}  // namespace

std::unique_ptr<EventSink> make_plain_renderer() {
  return std::make_unique<PlainRenderer>();
}

std::unique_ptr<EventSink> make_quiet_renderer() {
  return std::make_unique<QuietRenderer>();
}

}  // namespace dash::cli
