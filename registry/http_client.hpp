// HTTP for this library: one libcurl multi loop in a thread of its own; callers send requests and read
// answers as streams, each from its own thread. The only place that knows libcurl's transfers.
//
// It does one try of one request: no retries, no redirects, no credentials of its own (see retry.hpp,
// endpoint_client.hpp). Bodies are bounded queues in both directions, so that a slow reader or writer slows
// the connection down instead of filling memory.
#pragma once

#include "base/error.hpp"
#include "base/path.hpp"
#include "base/stream.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dash::registry {

struct HttpSettings {
  fs::path ca_bundle;                          // PEM; empty: libcurl's default
  std::map<std::string, std::string> proxies;  // http_proxy, https_proxy, all_proxy, no_proxy (any case)
  std::string user_agent = "dash-build";
  unsigned connections_per_host = 20;  // more requests wait for one that is free
  std::chrono::seconds connect_timeout{20};
  std::chrono::seconds stall_timeout{30};    // fewer than 1 kB/s for so long, while bytes should flow
  std::chrono::seconds answer_timeout{300};  // from the request's last byte to the answer's first
};

// Header fields in the order they came; names compare without regard to case (RFC 9110 §5.1).
class HttpHeaders {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void clear() { fields_.clear(); }
  // The first field's value; empty when there is none.
  std::string_view get(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Whom to trust and who to be. Shared by all requests to a host.
struct TlsSettings {
  enum class Verify { yes, no };
  Verify verify = Verify::yes;
  std::vector<fs::path> extra_cas;  // PEM, besides HttpSettings::ca_bundle
  fs::path client_certificate;      // PEM; empty: none
  fs::path client_key;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;
  Source* body = nullptr;  // read once, by the calling thread, while `send` runs
  std::uint64_t body_size = 0;
  // Bodies of blobs travel on HTTP/1.1 connections of their own, where TCP's window bounds what is underway;
  // everything else shares HTTP/2 connections.
  enum class Wire { shared, own } wire = Wire::shared;
  // `public_only` refuses to connect to private and loopback addresses (url.hpp), whatever the name says.
  enum class Addresses { any, public_only } addresses = Addresses::any;
  std::shared_ptr<const TlsSettings> tls;  // null: the defaults
  fs::path netrc;                          // where libcurl may find a user name and password; empty: nowhere
};

// A request that got no complete answer. `reason` is the cause without the request; the message has both.
class TransferError : public Error {
 public:
  enum class Kind {
    unknown,      // the name of the server, or of the proxy, has no address
    unreachable,  // no connection: address, proxy, refused, timeout
    untrusted,    // the server's certificate, or one of ours, is not good
    unwelcome,    // the server wants a client certificate that we do not have
    not_tls,      // the server does not speak TLS on that port
    broken,       // the connection ended or stalled in the middle
    invalid,      // the URL or what the server sent makes no sense; a further try is pointless
  };
  TransferError(Kind kind, const HttpRequest& request, std::string reason);
  Kind kind() const { return kind_; }
  const std::string& reason() const { return reason_; }
  // True when the same request may succeed later.
  bool is_transient() const {
    return kind_ == Kind::unknown || kind_ == Kind::unreachable || kind_ == Kind::broken;
  }

 private:
  Kind kind_;
  std::string reason_;
};

struct Transfer;
class HttpLoop;

// An answer whose head is there. As a Source it gives the body; a body that ends early throws TransferError.
// Destroying it gives up the rest of the body. Belongs to one thread; must not outlive its HttpClient.
class HttpAnswer : public Source {
 public:
  ~HttpAnswer() override;
  HttpAnswer(const HttpAnswer&) = delete;
  HttpAnswer& operator=(const HttpAnswer&) = delete;

  int status() const;
  const HttpHeaders& headers() const;
  // Of the body as the server announces it.
  std::optional<std::uint64_t> content_length() const;
  // Address of the server, or of the proxy; empty when unknown.
  const std::string& peer() const;
  bool through_proxy() const;

  std::size_t read(MutableBytes buffer) override;

 private:
  friend class HttpClient;
  HttpAnswer(HttpLoop& loop, std::shared_ptr<Transfer> transfer, std::stop_token stop);
  HttpLoop& loop_;
  std::shared_ptr<Transfer> transfer_;
  std::stop_token stop_;
};

// Safe to use from several threads at once.
class HttpClient {
 public:
  explicit HttpClient(HttpSettings settings);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  const HttpSettings& settings() const { return settings_; }
  // Sends the request, with its body, and returns when the head of the answer is there, whatever its status.
  // Throws TransferError, what the body's source throws, or Error(canceled).
  std::unique_ptr<HttpAnswer> send(const HttpRequest& request, std::stop_token stop);

 private:
  HttpSettings settings_;
  std::unique_ptr<HttpLoop> loop_;
};

}  // namespace dash::registry
