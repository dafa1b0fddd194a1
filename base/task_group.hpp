// Tasks that belong together: side by side, and when one fails the others stop.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>

namespace dash {

class ThreadPool;

class TaskGroup {
 public:
  // `outer` stops the group, too.
  explicit TaskGroup(const std::stop_token& outer) : link_(outer, [this] { stop_.request_stop(); }) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // For everything that belongs to the group.
  std::stop_token stop() const { return stop_.get_token(); }

  // Calls `body(0) … body(count - 1)` on the pool's threads, begun in that order, and waits for all. The
  // first exception in time stops the group and is thrown at the end.
  void for_each(ThreadPool& pool, std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> link_;
  std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace dash
