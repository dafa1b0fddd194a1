#include "registry/retry.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/http_client.hpp"

#include <algorithm>
#include <condition_variable>

#include <curl/curl.h>

namespace dash::registry {

bool is_retryable_status(int status) {
  if (status == 501 || status == 505) return false;
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::time_t now) {
  constexpr std::uint64_t kYear = 366ULL * 24 * 3600;
  const auto value = trim(text);
  if (const auto seconds = parse_uint(value)) return std::chrono::seconds(std::min(*seconds, kYear));
  const auto date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(0, date - now));
}

std::optional<std::chrono::milliseconds> Backoff::next(std::chrono::milliseconds floor) {
  if (tries_ >= policy_.retries || floor > policy_.longest_retry_after) return std::nullopt;
  const auto ceiling = std::min(policy_.ceiling, policy_.base * (1U << std::min(tries_, 16U)));
  ++tries_;
  std::uniform_int_distribution<std::int64_t> jitter(0, ceiling.count());
  return std::max(floor, std::chrono::milliseconds(jitter(random_)));
}

std::optional<std::chrono::milliseconds> Backoff::next_after(const TransferError& failure) {
  const bool unknown = failure.kind() == TransferError::Kind::unknown;
  if (!failure.is_transient() || (unknown && tries_ > 0)) return std::nullopt;
  return next();
}

void pause_for(std::chrono::milliseconds time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested()) throw Error(ErrorCode::canceled, "canceled while waiting to try again");
}

void RateLimits::wait(const std::string& host, std::stop_token stop) {
  Clock::time_point until;
  {
    const std::scoped_lock lock(mutex_);
    until = hosts_[host].not_before;
  }
  const auto now = Clock::now();
  if (until > now) pause_for(std::chrono::ceil<std::chrono::milliseconds>(until - now), std::move(stop));
}

bool RateLimits::note(const std::string& host, std::chrono::milliseconds time) {
  const std::scoped_lock lock(mutex_);
  auto& state = hosts_[host];
  const auto now = Clock::now();
  const auto until = now + time;
  if (until <= state.not_before) return true;
  state.waited +=
      std::chrono::duration_cast<std::chrono::milliseconds>(until - std::max(now, state.not_before));
  state.not_before = until;
  return state.waited <= policy_.rate_limit_budget;
}

}  // namespace dash::registry
