// Downloading many files at once over HTTP(S), with retries, resumption and verification.
#pragma once

#include "base/path.hpp"
#include "base/sha256.hpp"
#include "registry/http_client.hpp"
#include "registry/retry.hpp"

#include <cstdint>
#include <functional>
#include <memory>
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
  std::function<void()> completed{};  // called when the file is there, as `progress` is; may be empty
  // `unchecked` accepts any certificate of the server.
  enum class Certificates { checked, unchecked } certificates = Certificates::checked;
};

struct FetchSettings {
  HttpSettings http;
  RetryPolicy retry;
  fs::path netrc;                                     // empty: none
  unsigned parallel = 8;                              // transfers at once
  std::uint64_t max_bytes = std::uint64_t{16} << 30;  // per file
};

// Downloads files to their destinations (whose directories must exist). A file appears only complete and
// verified; `<destination>.part` holds what an interrupted transfer got and is continued with a Range request
// by the next try, also in a later run, when its checksum is known. `progress` is called by one thread at a
// time, not always the same. Redirects as redirects.hpp. The first failure of a file ends all. Errors name
// `shown` and the redacted URL: not_found (404, 410), denied (401, 403, 407), corrupt (checksum, size),
// unavailable (everything else), no_space, canceled. Thread-safe; connections are kept between calls.
class HttpFetcher {
 public:
  using Progress = std::function<void(const Download& download, std::uint64_t done, std::uint64_t total)>;
  explicit HttpFetcher(FetchSettings settings);

  void fetch(const std::vector<Download>& downloads, const Progress& progress, std::stop_token stop) const;

 private:
  FetchSettings settings_;
  std::unique_ptr<HttpClient> http_;
};

}  // namespace dash::registry
