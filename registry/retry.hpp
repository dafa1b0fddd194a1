// When a failed request is tried again, and how long to wait before that: one policy for everything that
// this library sends.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>

namespace dash::registry {

class TransferError;

struct RetryPolicy {
  unsigned retries = 5;                           // after the first try
  std::chrono::milliseconds base{500};            // doubled with each try, with full jitter
  std::chrono::milliseconds ceiling{20'000};      // of the doubled time; Retry-After may ask for more
  std::chrono::seconds longest_retry_after{120};  // a server that asks for more is not waited for
  std::chrono::seconds rate_limit_budget{600};    // waited for one host's 429s in total
};

// Answers that may be different next time: 408, 425, 429 and all 5xx but 501 and 505.
bool is_retryable_status(int status);

// The value of Retry-After (RFC 9110 §10.2.3): seconds, or a date, which counts from `now`. Nothing when it
// is neither; a date in the past is 0.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::time_t now);

// The tries of one request. Not thread-safe.
class Backoff {
 public:
  explicit Backoff(const RetryPolicy& policy) : policy_(policy) {}
  // How long to wait before the next try, `floor` being what the server asks for; nothing when there is no
  // further try.
  std::optional<std::chrono::milliseconds> next(std::chrono::milliseconds floor = {});
  // The same after a transfer that failed: nothing where a further try is pointless, one more try for a name
  // that has no address, which is misspelt far more often than a name server stumbles.
  std::optional<std::chrono::milliseconds> next_after(const TransferError& failure);

 private:
  const RetryPolicy& policy_;
  unsigned tries_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

// Waits, or throws Error(canceled) when `stop` is requested meanwhile.
void pause_for(std::chrono::milliseconds time, std::stop_token stop);

// Hosts that said "too many requests": everybody waits for them together, up to a budget. Thread-safe.
class RateLimits {
 public:
  explicit RateLimits(const RetryPolicy& policy) : policy_(policy) {}
  // Waits as long as `host` has asked for.
  void wait(const std::string& host, std::stop_token stop);
  // Notes that `host` wants nothing for `time`; false when the budget for it is used up.
  bool note(const std::string& host, std::chrono::milliseconds time);

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    Clock::time_point not_before;
    std::chrono::milliseconds waited{};
  };
  const RetryPolicy& policy_;
  std::mutex mutex_;
  std::map<std::string, State> hosts_;
};

}  // namespace dash::registry
