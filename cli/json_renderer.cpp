#include "cli/event_text.hpp"
#include "cli/inputs.hpp"
#include "cli/renderers.hpp"

#include <mutex>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

class JsonRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    using Json = nlohmann::ordered_json;
    const auto json =
        std::visit(Overloaded{[](const StepPlanned& e) {
                                return Json{{"event", "step-planned"},
                                            {"step", e.step},
                                            {"decision", to_string(e.decision)},
                                            {"reason", e.reason},
                                            {"leaves", inputs_json<Json>(e.inputs)}};
                              },
                              [](const StepStarted& e) {
                                return Json{{"event", "step-started"}, {"step", e.step}};
                              },
                              [](const StepLog& e) {
                                return Json{{"event", "log"}, {"step", e.step}, {"line", e.line}};
                              },
                              [](const StepFinished& e) {
                                return Json{{"event", "step-finished"},
                                            {"step", e.step},
                                            {"decision", to_string(e.decision)},
                                            {"seconds", e.elapsed.count()}};
                              },
                              [](const BytesMoved& e) {
                                return Json{{"event", "bytes"},
                                            {"step", e.step},
                                            {"what", e.what},
                                            {"done", e.done},
                                            {"total", e.total}};
                              },
                              [](const LayerReady& e) {
                                return Json{{"event", "layer"},
                                            {"step", e.step},
                                            {"digest", e.digest},
                                            {"diffId", e.diff_id},
                                            {"size", e.size}};
                              },
                              [](const Note& e) {
                                return Json{{"event", "note"}, {"step", e.step}, {"text", e.text}};
                              },
                              [](const Warning& e) {
                                return Json{{"event", "warning"}, {"step", e.step}, {"text", e.text}};
                              }},
                   event);
    // Output of foreign programs may hold any bytes.
    const auto line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    const std::lock_guard lock(mutex_);
    print_line(line);
  }

 private:
  std::mutex mutex_;
};

}  // namespace

std::unique_ptr<EventSink> make_json_renderer() {
  return std::make_unique<JsonRenderer>();
}

}  // namespace dash::cli
