#include "base/text.hpp"
#include "cli/event_text.hpp"
#include "cli/renderers.hpp"
#include "cli/report.hpp"
#include "cli/screen.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

#include <unistd.h>

namespace dash::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kInterval = std::chrono::milliseconds(100);  // between drawings
constexpr std::size_t kTailLines = 5;                       // of a running command's output
constexpr std::size_t kShownTransfers = 3;
constexpr std::size_t kBarWidth = 20;

struct Transfer {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: unknown
};

std::string bar(const Transfer& transfer) {
  if (transfer.total == 0) return human_size(transfer.done);
  const auto part = static_cast<std::size_t>(static_cast<double>(transfer.done) /
                                             static_cast<double>(transfer.total) * kBarWidth);
  const auto filled = std::min(part, kBarWidth);
  return concat('[', std::string(filled, '#'), std::string(kBarWidth - filled, '.'), "] ",
                human_size(transfer.done), " of ", human_size(transfer.total));
}

class TtyRenderer : public EventSink {
 public:
  explicit TtyRenderer(Colour colour)
      : colour_(colour), screen_(STDERR_FILENO), ticker_([this](const std::stop_token& end) { tick(end); }) {}

  ~TtyRenderer() override {
    ticker_.request_stop();
    ticker_.join();
    screen_.draw(above_, {});
  }

  void emit(const Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    std::visit([this](const auto& e) { take(e); }, event);
    changed_ = true;
    wake_.notify_one();
  }

 private:
  void take(const StepPlanned& e) {
    reasons_[e.step] = concat(to_string(e.decision), ": ", e.reason);
    if (e.decision == Decision::reuse || e.decision == Decision::skip)
      keep(concat(e.decision == Decision::reuse ? "= " : "- ", pad(e.step, 16), "        ", reasons_[e.step]),
           e.decision == Decision::reuse ? "\x1b[36m" : "\x1b[2m");
  }
  void take(const StepStarted& e) {
    running_ = e.step;
    started_ = Clock::now();
    tail_.clear();
    transfers_.clear();
  }
  void take(const StepLog& e) {
    tail_.push_back(clean_line(e.line));
    if (tail_.size() > kTailLines) tail_.pop_front();
  }
  void take(const StepFinished& e) {
    keep(concat("✓ ", pad(e.step, 16), pad(seconds_text(e.elapsed), 8), reasons_[e.step]), "\x1b[32m");
    running_.clear();
    tail_.clear();
  }
  void take(const BytesMoved& e) { transfers_[e.what] = {e.done, e.total}; }
  void take(const LayerReady&) {}
  void take(const Note& e) { keep(concat("  note: ", step_prefix(e.step), e.text), ""); }
  void take(const Warning& e) { keep(concat("! ", step_prefix(e.step), e.text), "\x1b[33m"); }

  // A line that stays.
  void keep(const std::string& text, std::string_view style) {
    above_.push_back({clean_line(text), styled(style)});
  }

  std::string_view styled(std::string_view style) const {
    return colour_ == Colour::on ? style : std::string_view();
  }

  std::vector<ScreenLine> block() const {
    std::vector<ScreenLine> out;
    if (running_.empty()) return out;
    const auto reason = reasons_.find(running_);
    out.push_back({clean_line(concat("> ", pad(running_, 16), pad(seconds_text(Clock::now() - started_), 8),
                                     reason == reasons_.end() ? std::string() : reason->second)),
                   styled("\x1b[1m")});
    add_transfers(out);
    for (const auto& line : tail_) out.push_back({"  | " + line, styled("\x1b[2m")});
    return out;
  }

  // While any is under way: all together, and the first ones.
  void add_transfers(std::vector<ScreenLine>& out) const {
    if (transfers_.empty()) return;
    Transfer sum;
    std::size_t finished = 0;
    for (const auto& [what, transfer] : transfers_) {
      sum.done += transfer.done;
      sum.total += std::max(transfer.total, transfer.done);
      if (transfer.done == transfer.total) ++finished;
    }
    if (finished == transfers_.size()) return;
    out.push_back({concat("  ", bar(sum), ", ", finished, " of ", transfers_.size(),
                          transfers_.size() == 1 ? " file" : " files"),
                   ""});
    std::size_t shown = 0;
    for (const auto& [what, transfer] : transfers_) {
      if (transfer.done == transfer.total || shown == kShownTransfers) continue;
      ++shown;
      out.push_back({concat("    ", bar(transfer), "  ", clean_line(what)), styled("\x1b[2m")});
    }
  }

  // Draws after events, not more often than kInterval, and now and then without any, for the clock.
  void tick(const std::stop_token& end) {
    std::unique_lock lock(mutex_);
    while (!end.stop_requested()) {
      wake_.wait_for(lock, end, running_.empty() ? std::chrono::seconds(60) : std::chrono::seconds(1),
                     [this] { return changed_; });
      if (end.stop_requested()) return;
      changed_ = false;
      screen_.draw(above_, block());
      above_.clear();
      wake_.wait_for(lock, end, kInterval, [] { return false; });
    }
  }

  Colour colour_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool changed_ = false;
  std::vector<ScreenLine> above_;  // to be written
  std::map<std::string, std::string> reasons_;
  std::map<std::string, Transfer> transfers_;
  std::deque<std::string> tail_;
  std::string running_;
  Clock::time_point started_ = Clock::now();
  Screen screen_;
  std::jthread ticker_;  // last: it uses all the others
};

}  // namespace

std::unique_ptr<EventSink> make_tty_renderer(Colour colour) {
  return std::make_unique<TtyRenderer>(colour);
}

}  // namespace dash::cli
