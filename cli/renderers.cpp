#include "cli/renderers.hpp"

#include "base/text.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>

#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

namespace dash::cli {

namespace {

using Clock = std::chrono::steady_clock;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

std::string seconds_text(std::chrono::duration<double> time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), time.count() < 10 ? "%.2f s" : "%.1f s", time.count());
  return text.data();
}

std::string step_prefix(const std::string& step) {
  return step.empty() ? std::string() : concat('[', step, "] ");
}

std::string planned_text(const StepPlanned& event) {
  return concat(step_prefix(event.step), to_string(event.decision), ": ", event.reason);
}

std::string finished_text(const StepFinished& event) {
  return concat(step_prefix(event.step), "done in ", seconds_text(event.elapsed));
}

std::string layer_text(const LayerReady& event) {
  return concat(step_prefix(event.step), "layer ", event.digest, ' ', human_size(event.size));
}

void print_line(const std::string& line) {
  const auto text = line + '\n';
  [[maybe_unused]] const auto written = std::fwrite(text.data(), 1, text.size(), stderr);
}

// One line per event; progress of transfers only as "done" lines.
class PlainRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    std::visit(
        Overloaded{[](const StepPlanned& e) { print_line(planned_text(e)); }, [](const StepStarted&) {},
                   [](const StepLog& e) { print_line(step_prefix(e.step) + e.line); },
                   [](const StepFinished& e) { print_line(finished_text(e)); },
                   [](const BytesMoved& e) {
                     if (e.total != 0 && e.done == e.total)
                       print_line(concat(step_prefix(e.step), e.what, ' ', human_size(e.total)));
                   },
                   [](const LayerReady& e) { print_line(layer_text(e)); },
                   [](const Note& e) { print_line(concat(step_prefix(e.step), "note: ", e.text)); },
                   [](const Warning& e) { print_line(concat(step_prefix(e.step), "warning: ", e.text)); }},
        event);
  }

 private:
  std::mutex mutex_;
};

// One JSON object per line.
class JsonRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    using Json = nlohmann::ordered_json;
    const auto json =
        std::visit(Overloaded{[](const StepPlanned& e) {
                                return Json{{"event", "step-planned"},
                                            {"step", e.step},
                                            {"decision", to_string(e.decision)},
                                            {"reason", e.reason}};
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

// Finished steps stay as lines; below them one live line tells what the running step does now.
class TtyRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    std::visit(
        Overloaded{[this](const StepPlanned& e) {
                     if (e.decision == Decision::reuse || e.decision == Decision::skip)
                       permanent(concat(mark(e.decision), ' ', padded(e.step), " ", to_string(e.decision),
                                        ": ", e.reason));
                     else
                       reasons_[e.step] = concat(to_string(e.decision), ": ", e.reason);
                   },
                   [this](const StepStarted& e) {
                     started_ = Clock::now();
                     transfers_.clear();
                     live(e.step, reasons_[e.step], Refresh::now);
                   },
                   [this](const StepLog& e) { live(e.step, e.line, Refresh::limited); },
                   [this](const StepFinished& e) {
                     permanent(concat(mark(e.decision), ' ', padded(e.step), ' ', seconds_text(e.elapsed),
                                      "  ", reasons_[e.step]));
                   },
                   [this](const BytesMoved& e) {
                     transfers_[e.what] = {e.done, e.total};
                     live(e.step, transfer_text(), Refresh::limited);
                   },
                   [](const LayerReady&) {},
                   [this](const Note& e) { permanent(concat("  note: ", step_prefix(e.step), e.text)); },
                   [this](const Warning& e) {
                     permanent(concat("\x1b[33m! ", step_prefix(e.step), e.text, "\x1b[0m"));
                   }},
        event);
  }
  ~TtyRenderer() override { clear(); }

 private:
  enum class Refresh { now, limited };
  static constexpr auto kInterval = std::chrono::milliseconds(80);

  static std::string_view mark(Decision decision) {
    return decision == Decision::reuse  ? "\x1b[36m=\x1b[0m"
           : decision == Decision::skip ? "-"
                                        : "\x1b[32m✓\x1b[0m";
  }
  static std::string padded(const std::string& step) {
    return step + std::string(step.size() < 16 ? 16 - step.size() : 0, ' ');
  }
  std::string transfer_text() const {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    for (const auto& [what, bytes] : transfers_) {
      done += bytes.first;
      total += bytes.second;
    }
    std::string bar;
    for (unsigned i = 0; i < 20; ++i) bar += total != 0 && done * 20 / total > i ? "#" : ".";
    return concat('[', bar, "] ", human_size(done), " of ", human_size(total), ", ", transfers_.size(),
                  " files");
  }
  static std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
  }
  void clear() {
    if (live_) std::fputs("\r\x1b[K", stderr);
    live_ = false;
  }
  void permanent(const std::string& line) {
    clear();
    print_line(line);
  }
  void live(const std::string& step, std::string_view text, Refresh refresh) {
    const auto now = Clock::now();
    if (refresh == Refresh::limited && now - shown_ < kInterval) return;
    shown_ = now;
    std::string line = concat("> ", padded(step), ' ', seconds_text(now - started_), "  ", text);
    for (char& c : line)
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    // Cutting a character in two would garble the line, so the cut goes back to the start of one.
    if (line.size() >= columns()) {
      auto end = columns() - 1;
      while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80) --end;
      line.resize(end);
    }
    clear();
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    live_ = true;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> reasons_;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> transfers_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point shown_;
  bool live_ = false;
};

// Only what a person must know.
class QuietRenderer : public EventSink {
 public:
  void emit(const Event& event) noexcept override {
    if (const auto* warning = std::get_if<Warning>(&event)) {
      const std::lock_guard lock(mutex_);
      print_line(concat(step_prefix(warning->step), "warning: ", warning->text));
    }
  }

 private:
  std::mutex mutex_;
};

}  // namespace

std::unique_ptr<EventSink> make_renderer(Progress progress) {
  if (progress == Progress::automatic)
    progress = ::isatty(STDERR_FILENO) != 0 ? Progress::tty : Progress::plain;
  switch (progress) {
    case Progress::tty:
      return std::make_unique<TtyRenderer>();
    case Progress::json:
      return std::make_unique<JsonRenderer>();
    case Progress::quiet:
      return std::make_unique<QuietRenderer>();
    case Progress::plain:
    case Progress::automatic:
      break;
  }
  return std::make_unique<PlainRenderer>();
}

}  // namespace dash::cli
