// A fixed set of worker threads for CPU-bound pieces whose results are ordered by position, never by time.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>

namespace dash {

// Made by the program and passed by reference. Tasks must not wait for other tasks of the same pool.
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();  // waits for running tasks; queued ones still run
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const;

  // Queues `task`; the future carries its result or exception.
  template <class Task>
  auto submit(Task task) -> std::future<std::invoke_result_t<Task>> {
    using Result = std::invoke_result_t<Task>;
    auto packaged = std::make_shared<std::packaged_task<Result()>>(std::move(task));
    auto future = packaged->get_future();
    enqueue([packaged] { (*packaged)(); });
    return future;
  }

  // Calls `body(0) … body(count - 1)`, spread over the workers, and waits for all of them. The exception of
  // the lowest index that threw is rethrown.
  void for_each(std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  void enqueue(std::function<void()> task);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dash
