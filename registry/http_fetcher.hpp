// Downloading many files at once over HTTP(S), with retries, resumption and verification.
#pragma once

#include "base/path.hpp"
#include "base/sha256.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

struct Download {
  std::string url;  // https:, http: or file:; user and password in it are used and never shown
  fs::path destination;
  std::optional<Sha256> sha256;       // verified before the file appears
  std::optional<std::uint64_t> size;  // verified too; more bytes than this are never read
  std::string shown;                  // short name for messages and progress
  std::function<void()> completed{};  // called from the calling thread when the file is there; may be empty
};

struct FetchSettings {
  fs::path ca_bundle;                          // PEM; empty: libcurl's default
  std::map<std::string, std::string> proxies;  // http_proxy, https_proxy, all_proxy, no_proxy (any case)
  fs::path netrc;                              // empty: none
  std::string user_agent = "dash-build";
  unsigned parallel = 8;  // transfers at once
  unsigned connections_per_host = 6;
  unsigned retries = 5;  // after the first try
  std::chrono::milliseconds retry_base{
      500};  // doubled with each try, with full jitter; Retry-After is the floor
  std::chrono::milliseconds retry_ceiling{20'000};
  std::chrono::seconds connect_timeout{20};
  std::chrono::seconds stall_timeout{30};             // fewer than 1 kB/s for so long ends a try
  std::uint64_t max_bytes = std::uint64_t{16} << 30;  // per file
};

// Downloads files to their destinations (whose directories must exist). A file appears only complete and
// verified;
// `<destination>.part` holds what an interrupted transfer got and is continued with a Range request by the
// next try, also in a later run, when its checksum is known. `progress` is called from the calling thread.
// Retried: connection failures, stalls, broken transfers, 408, 425, 429, 5xx. The first failure of a file
// ends all. Errors name `shown` and the redacted URL: not_found (404, 410), denied (401, 403, 407), corrupt
// (checksum, size), unavailable (everything else), no_space, canceled.
class HttpFetcher {
 public:
  using Progress = std::function<void(const Download& download, std::uint64_t done, std::uint64_t total)>;
  explicit HttpFetcher(FetchSettings settings) : settings_(std::move(settings)) {}

  void fetch(const std::vector<Download>& downloads, const Progress& progress, std::stop_token stop) const;

 private:
  FetchSettings settings_;
};

}  // namespace dash::registry
