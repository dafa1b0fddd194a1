#include "base/background_sink.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace dash {

namespace {
using Block = std::vector<std::byte>;
constexpr std::size_t kBlocks = 4;  // one being filled, one being passed on, two for jitter
}  // namespace

struct BackgroundSink::State {
  explicit State(Sink& sink) : next(sink) {}

  Sink& next;
  Block filling;
  std::size_t made = 0;  // blocks that exist

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Block> waiting;
  std::vector<Block> spare;
  std::exception_ptr failure;
  bool closing = false;  // nothing more will be queued
  std::thread thread;

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return closing || !waiting.empty(); });
      if (waiting.empty()) return;
      auto block = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      std::exception_ptr thrown;
      try {
        next.write(block);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      block.clear();
      spare.push_back(std::move(block));
      if (thrown) {
        failure = thrown;
        waiting.clear();
      }
      changed.notify_all();
      if (thrown) return;
    }
  }

  // Queues the block that is full and takes an empty one.
  void hand_over() {
    std::unique_lock lock(mutex);
    if (failure) std::rethrow_exception(failure);
    waiting.push_back(std::move(filling));
    if (!thread.joinable()) thread = std::thread([this] { run(); });
    changed.notify_all();
    if (spare.empty() && made < kBlocks) {
      filling = new_block();
      return;
    }
    changed.wait(lock, [this] { return failure || !spare.empty(); });
    if (failure) std::rethrow_exception(failure);
    filling = std::move(spare.back());
    spare.pop_back();
  }

  Block new_block() {
    ++made;
    Block block;
    block.reserve(kStreamBlock);
    return block;
  }

  // Ends the thread: with what is queued passed on, or dropped.
  enum class Rest { pass_on, drop };
  void stop(Rest rest) {
    if (!thread.joinable()) return;
    {
      const std::lock_guard lock(mutex);
      closing = true;
      if (rest == Rest::drop) waiting.clear();
    }
    changed.notify_all();
    thread.join();
  }
};

BackgroundSink::BackgroundSink(Sink& next) : state_(std::make_unique<State>(next)) {}

BackgroundSink::~BackgroundSink() {
  state_->stop(State::Rest::drop);
}

void BackgroundSink::write(Bytes bytes) {
  auto& state = *state_;
  if (state.made == 0) state.filling = state.new_block();
  while (!bytes.empty()) {
    // A full block is handed over only when more follows: a stream that fits into one needs no thread.
    if (state.filling.size() == kStreamBlock) state.hand_over();
    const auto part = bytes.first(std::min(bytes.size(), kStreamBlock - state.filling.size()));
    state.filling.insert(state.filling.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
  }
}

void BackgroundSink::finish() {
  auto& state = *state_;
  state.stop(State::Rest::pass_on);
  if (state.failure) std::rethrow_exception(state.failure);
  if (!state.filling.empty()) state.next.write(state.filling);
  state.filling.clear();
}

}  // namespace dash
