#include "base/task_group.hpp"

#include "base/error.hpp"
#include "base/thread_pool.hpp"

#include <utility>

namespace dash {

void TaskGroup::for_each(ThreadPool& pool, std::size_t count, const std::function<void(std::size_t)>& body) {
  pool.for_each(count, [&](std::size_t i) {
    try {
      if (stop_.stop_requested()) throw Error(ErrorCode::canceled, "canceled");
      body(i);
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!first_) first_ = std::current_exception();
      stop_.request_stop();
    }
  });
  if (first_) std::rethrow_exception(std::exchange(first_, nullptr));
}

}  // namespace dash
