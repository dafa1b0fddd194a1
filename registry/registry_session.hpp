// What all registry clients of one run share: connections, tokens, knowledge of hosts, limits.
#pragma once

#include "base/thread_pool.hpp"
#include "registry/authenticator.hpp"
#include "registry/credentials.hpp"
#include "registry/hosts.hpp"
#include "registry/http_client.hpp"
#include "registry/retry.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace dash::registry {

struct RegistrySettings {
  HttpSettings http;
  RetryPolicy retry;
  CredentialSettings credentials;
  HostsSettings hosts;
  unsigned parallel = 6;  // blobs on their way at once
  // Uploads that are underway are noted here, so that a later run continues them. Empty: they are not.
  fs::path state_directory;
  // Larger blobs are uploaded in pieces. The first has this size; while the registry takes a piece in less
  // than half a second the next is twice as large, up to `largest_chunk`: every piece costs a registry an
  // fsync, and what is lost with one is always less than a second or two of work.
  std::uint64_t chunk_size = std::uint64_t{16} << 20;
  std::uint64_t largest_chunk = std::uint64_t{256} << 20;
};

// Made once by the program, outlives every client, pusher and puller. Thread-safe.
class RegistrySession {
 public:
  explicit RegistrySession(RegistrySettings settings);
  RegistrySession(const RegistrySession&) = delete;
  RegistrySession& operator=(const RegistrySession&) = delete;

  const RegistrySettings& settings() const { return settings_; }
  const HostsConfig& hosts() const { return hosts_; }
  HttpClient& http() { return http_; }
  Authenticator& authenticator() { return authenticator_; }
  RateLimits& rate_limits() { return rate_limits_; }
  // Runs transfers; its tasks may wait for the network, and for tasks that already run.
  ThreadPool& transfers() { return transfers_; }

  // What servers turned out to speak that may speak plain HTTP ("localhost:5000").
  enum class Protocol { unknown, https, plain_http };
  Protocol protocol_of(const std::string& authority) const;
  void note_protocol(const std::string& authority, Protocol protocol);
  // Held by whoever finds it out, so that the others do not try in vain.
  std::mutex& protocol_search() { return protocol_search_; }

  // Held while a list of referrers is read, changed and written back (RegistryClient::put_manifest). Other
  // processes do not know it.
  std::mutex& referrer_lists() { return referrer_lists_; }

 private:
  RegistrySettings settings_;
  HostsConfig hosts_;
  HttpClient http_;
  Keychain keychain_;
  Authenticator authenticator_;
  RateLimits rate_limits_;
  std::mutex protocol_search_;
  std::mutex referrer_lists_;
  mutable std::mutex mutex_;
  std::map<std::string, Protocol> protocols_;
  ThreadPool transfers_;
};

}  // namespace dash::registry
