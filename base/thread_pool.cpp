#include "base/thread_pool.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace dash {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  bool closing = false;
  std::vector<std::thread> workers;

  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return closing || !tasks.empty(); });
        if (tasks.empty()) return;
        task = std::move(tasks.front());
        tasks.pop_front();
      }
      task();
    }
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  for (unsigned i = 0; i < std::max(1U, threads); ++i)
    state_->workers.emplace_back([state = state_.get()] { state->work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
  }
  state_->changed.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

unsigned ThreadPool::threads() const {
  return static_cast<unsigned>(state_->workers.size());
}

void ThreadPool::enqueue(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
  }
  state_->changed.notify_one();
}

void ThreadPool::for_each(std::size_t count, const std::function<void(std::size_t)>& body) {
  std::vector<std::future<void>> results;
  results.reserve(count);
  for (std::size_t i = 0; i < count; ++i) results.push_back(submit([&body, i] { body(i); }));
  for (auto& result : results) result.wait();
  for (auto& result : results) result.get();
}

}  // namespace dash
