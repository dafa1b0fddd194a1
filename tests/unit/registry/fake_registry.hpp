// A registry in this process that keeps to the distribution specification, records what it is asked, and can
// be told to misbehave.
#pragma once

#include "oci/digest.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace dash::testing {

struct FakeRequest {
  std::string method;
  std::string target;                          // path and query as sent
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // as much as arrived
  std::string path() const { return target.substr(0, target.find('?')); }
  std::string line() const { return method + ' ' + target; }
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
  // A parameter of the query, decoded.
  std::string parameter(const std::string& name) const;
};

struct FakeAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Misbehaviour: close the connection after so many bytes of the body; bytes of the body per tenth of a
  // second; announce another length; send no length (the end of the connection ends the body).
  std::optional<std::size_t> drop_after;
  std::optional<std::size_t> drip;
  std::optional<std::size_t> announced_length;
  enum class Length { sent, left_out } length = Length::sent;
  // `left_out`: the connection ends without an answer.
  enum class Head { sent, left_out } head = Head::sent;
};

// HTTP/1.1 on a loopback port; a thread per connection.
class FakeRegistry {
 public:
  FakeRegistry();
  ~FakeRegistry();
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url(const std::string& path) const { return "http://" + address() + path; }

  // Called for each request before the registry looks at it; an answer is sent in its place. Set it before
  // the first request.
  using Hook = std::function<std::optional<FakeAnswer>(const FakeRequest&)>;
  void set_hook(Hook hook) { hook_ = std::move(hook); }
  // Requests of chunks break off after so many bytes of the body, which the registry keeps (the next
  // `times`).
  void break_uploads_after(std::size_t bytes, int times);
  // Wants a token of its own /token, good for `life`; "user:password" when credentials are needed for it.
  void require_token(std::chrono::milliseconds life, std::string credentials = {});
  // Says that tokens live longer than they do.
  void announce_token_life(std::chrono::seconds life) { announced_life_ = life; }
  enum class Referrers { none, api };
  void set_referrers(Referrers referrers) { referrers_ = referrers; }

  std::vector<FakeRequest> requests() const;
  // "METHOD target" of each.
  std::vector<std::string> lines() const;
  std::size_t count(const std::string& method, const std::string& part) const;
  void forget_requests();

  // Content: blobs by "repository@digest" and manifests by "repository:reference".
  std::string add_blob(const std::string& repository, const std::string& bytes);
  std::string add_manifest(const std::string& repository, const std::string& reference,
                           const std::string& bytes, const std::string& media_type);
  std::optional<std::string> blob(const std::string& repository, const std::string& digest) const;
  std::optional<std::string> manifest(const std::string& repository, const std::string& reference) const;
  std::uint64_t upload_bytes() const { return upload_bytes_; }  // received as bodies of PATCH and PUT

 private:
  struct Manifest {
    std::string bytes;
    std::string media_type;
  };
  struct Connection {
    int fd;
    std::jthread thread;
  };
  void accept_all();
  void serve(int fd);
  bool read_request(int fd, std::string& buffer, FakeRequest& request);
  void send(int fd, const FakeRequest& request, const FakeAnswer& answer) const;
  FakeAnswer answer(const FakeRequest& request);
  std::optional<FakeAnswer> check_token(const FakeRequest& request);
  FakeAnswer token(const FakeRequest& request);
  FakeAnswer blobs(const FakeRequest& request, const std::string& repository, const std::string& digest);
  FakeAnswer uploads(const FakeRequest& request, const std::string& repository, const std::string& id);
  FakeAnswer manifests(const FakeRequest& request, const std::string& repository,
                       const std::string& reference);
  FakeAnswer tags(const FakeRequest& request, const std::string& repository);
  FakeAnswer catalog();
  FakeAnswer referrers(const std::string& repository, const std::string& digest);

  int port_ = 0;
  int listener_ = -1;
  Hook hook_;
  mutable std::mutex mutex_;
  std::vector<FakeRequest> requests_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, Manifest> manifests_;
  std::map<std::string, std::string> uploads_;  // by id
  int next_upload_ = 1;
  std::size_t break_after_ = 0;
  int breaks_left_ = 0;
  Referrers referrers_ = Referrers::none;
  std::optional<std::chrono::milliseconds> token_life_;
  std::string token_credentials_;
  std::optional<std::chrono::seconds> announced_life_;
  std::map<std::string, std::chrono::steady_clock::time_point> tokens_;
  std::atomic<std::uint64_t> upload_bytes_ = 0;
  std::list<Connection> connections_;
  std::jthread acceptor_;
};

}  // namespace dash::testing
