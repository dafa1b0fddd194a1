#include "base/background_source.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace dash {

namespace {
constexpr std::size_t kBlocks = 4;  // one being read from, one being filled, two for jitter
}  // namespace

struct BackgroundSource::State {
  explicit State(Source& source) : next(source) {}

  struct Block {
    std::vector<std::byte> bytes = std::vector<std::byte>(kStreamBlock);
    std::size_t size = 0;
  };

  Source& next;
  Block current{{}, 0};  // the reader's
  std::size_t at = 0;
  bool at_end = false;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Block> full;
  std::vector<Block> spare;
  std::exception_ptr failure;
  bool ended = false;    // nothing more will be queued
  bool dropped = false;  // nobody reads any more
  std::thread thread;

  static std::size_t fill(Source& source, std::vector<std::byte>& bytes) {
    std::size_t size = 0;
    while (size < bytes.size()) {
      const auto count = source.read(MutableBytes(bytes).subspan(size));
      if (count == 0) break;
      size += count;
    }
    return size;
  }

  void run() {
    std::unique_lock lock(mutex);
    while (!ended) {
      changed.wait(lock, [this] { return dropped || !spare.empty(); });
      if (dropped) return;
      auto block = std::move(spare.back());
      spare.pop_back();
      lock.unlock();
      std::exception_ptr thrown;
      try {
        block.size = fill(next, block.bytes);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      failure = thrown;
      ended = thrown || block.size < block.bytes.size();
      if (!thrown && block.size > 0) full.push_back(std::move(block));
      changed.notify_all();
    }
  }

  // Takes the next block; false at the end.
  bool advance() {
    if (at_end) return false;
    std::unique_lock lock(mutex);
    if (thread.joinable()) {
      spare.push_back(std::move(current));
      changed.notify_all();
    } else {
      spare.resize(kBlocks);
      thread = std::thread([this] { run(); });
    }
    current = {{}, 0};
    at = 0;
    changed.wait(lock, [this] { return ended || !full.empty(); });
    if (full.empty()) {
      at_end = true;
      if (failure) std::rethrow_exception(failure);
      return false;
    }
    current = std::move(full.front());
    full.pop_front();
    return true;
  }
};

BackgroundSource::BackgroundSource(Source& next) : state_(std::make_unique<State>(next)) {}

BackgroundSource::~BackgroundSource() {
  if (!state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->dropped = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

std::size_t BackgroundSource::read(MutableBytes buffer) {
  auto& state = *state_;
  if (buffer.empty() || (state.at == state.current.size && !state.advance())) return 0;
  const auto count = std::min(buffer.size(), state.current.size - state.at);
  std::copy_n(state.current.bytes.begin() + static_cast<std::ptrdiff_t>(state.at), count, buffer.begin());
  state.at += count;
  return count;
}

}  // namespace dash
