#include "base/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace dash;

TEST_CASE("tasks run on workers and give results or exceptions") {
  ThreadPool pool(3);
  CHECK(pool.threads() == 3);
  CHECK(ThreadPool(0).threads() == 1);
  auto answer = pool.submit([] { return 42; });
  auto failure = pool.submit([]() -> int { throw std::runtime_error("no"); });
  CHECK(answer.get() == 42);
  CHECK_THROWS_WITH(failure.get(), "no");
}

TEST_CASE("for_each covers every index once and throws the first failure by position") {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> seen(1000);
  pool.for_each(seen.size(), [&](std::size_t i) { ++seen[i]; });
  CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& count) { return count == 1; }));
  pool.for_each(0, [](std::size_t) { FAIL("called"); });
  std::atomic<int> calls = 0;
  CHECK_THROWS_WITH(pool.for_each(8,
                                  [&](std::size_t i) {
                                    ++calls;
                                    // The later failure happens first.
                                    if (i == 2) std::this_thread::sleep_for(std::chrono::milliseconds(30));
                                    if (i == 2 || i == 5) throw std::runtime_error(std::to_string(i));
                                  }),
                    "2");
  CHECK(calls == 8);
}

TEST_CASE("queued tasks still run when the pool goes away") {
  std::atomic<int> done = 0;
  {
    ThreadPool pool(1);
    for (int i = 0; i < 50; ++i) pool.submit([&] { ++done; });
  }
  CHECK(done == 50);
}
