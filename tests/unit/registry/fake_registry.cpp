#include "tests/unit/registry/fake_registry.hpp"

#include "base/text.hpp"
#include "registry/base64.hpp"

#include <algorithm>
#include <set>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace dash::testing {

namespace {

using Json = nlohmann::ordered_json;

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

FakeAnswer error(int status, const std::string& code, const std::string& message) {
  const Json body = {{"errors", Json::array({{{"code", code}, {"message", message}}})}};
  return {status, {{"Content-Type", "application/json"}}, body.dump(), {}, {}, {}, {}};
}

FakeAnswer plain(int status, std::vector<std::pair<std::string, std::string>> headers = {},
                 std::string body = {}) {
  return {status, std::move(headers), std::move(body), {}, {}, {}, {}};
}

std::string digest_of(const std::string& bytes) {
  return oci::Digest::of(bytes).to_string();
}

// "uploads/5" → {"uploads", "5"}: what follows the repository in a path.
struct Route {
  std::string repository;
  std::string kind;
  std::string rest;
};
std::optional<Route> route(const std::string& path) {
  if (!path.starts_with("/v2/")) return std::nullopt;
  for (const std::string kind : {"/blobs/uploads/", "/blobs/", "/manifests/", "/tags/list", "/referrers/"})
    if (const auto at = path.find(kind); at != std::string::npos)
      return Route{path.substr(4, at - 4), kind, path.substr(at + kind.size())};
  return std::nullopt;
}

}  // namespace

std::string FakeRequest::parameter(const std::string& name) const {
  const auto question = target.find('?');
  if (question == std::string::npos) return {};
  for (const auto part : split(std::string_view(target).substr(question + 1), '&'))
    if (part.starts_with(name + '=')) return decode(part.substr(name.size() + 1));
  return {};
}

FakeRegistry::FakeRegistry() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  ::listen(listener_, 64);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept_all(); });
}

FakeRegistry::~FakeRegistry() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  for (auto& connection : connections_) ::shutdown(connection.fd, SHUT_RDWR);
  for (auto& connection : connections_) {
    connection.thread.join();
    ::close(connection.fd);
  }
}

void FakeRegistry::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    connections_.push_back({fd, {}});
    connections_.back().thread = std::jthread([this, fd] { serve(fd); });
  }
}

void FakeRegistry::serve(int fd) {
  std::string buffer;
  for (;;) {
    FakeRequest request;
    if (!read_request(fd, buffer, request)) break;
    std::optional<FakeAnswer> out;
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
    }
    if (hook_) out = hook_(request);
    if (!out) {
      const std::scoped_lock lock(mutex_);
      out = answer(request);
    }
    if (out->head == FakeAnswer::Head::left_out) break;
    send(fd, request, *out);
    if (out->drop_after || out->length == FakeAnswer::Length::left_out) break;
  }
  ::shutdown(fd, SHUT_RDWR);
}

// A request with its body. False at the end of the connection, for what is no HTTP, and where it is to break.
bool FakeRegistry::read_request(int fd, std::string& buffer, FakeRequest& request) {
  std::vector<char> block(256 * 1024);
  const auto more = [&] {
    const auto count = ::recv(fd, block.data(), block.size(), 0);
    if (count > 0) buffer.append(block.data(), static_cast<std::size_t>(count));
    return count > 0;
  };
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!buffer.empty() && (buffer[0] < 'A' || buffer[0] > 'Z')) {  // a TLS greeting
      const std::string refusal = "HTTP/1.0 400 Bad Request\r\n\r\n";
      [[maybe_unused]] const auto sent = ::send(fd, refusal.data(), refusal.size(), MSG_NOSIGNAL);
      return false;
    }
    if (!more()) return false;
  }
  bool first = true;
  for (const auto line : split_lines(std::string_view(buffer).substr(0, end))) {
    if (first) {
      const auto words = split_words(line);
      if (words.size() < 2) return false;
      request.method = words[0];
      request.target = words[1];
      first = false;
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      request.headers[to_lower(line.substr(0, colon))] = trim(line.substr(colon + 1));
    }
  }
  buffer.erase(0, end + 4);
  const auto length = parse_uint(request.header("content-length")).value_or(0);
  std::size_t limit = length;
  bool breaks = false;
  if (request.method == "PATCH") {
    const std::scoped_lock lock(mutex_);
    breaks = breaks_left_ > 0 && length > break_after_;
    if (breaks) {
      --breaks_left_;
      limit = break_after_;
    }
  }
  while (buffer.size() < limit)
    if (!more()) break;
  request.body = buffer.substr(0, limit);
  buffer.erase(0, request.body.size());
  if (request.method == "PATCH" || request.method == "PUT") upload_bytes_ += request.body.size();
  if (request.body.size() == length && !breaks) return true;
  if (request.method == "PATCH") {  // what arrived is kept
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
    const auto id = request.path().substr(request.path().rfind('/') + 1);
    if (const auto upload = uploads_.find(id); upload != uploads_.end()) upload->second += request.body;
  }
  return false;
}

void FakeRegistry::send(int fd, const FakeRequest& request, const FakeAnswer& answer) const {
  std::string head = concat("HTTP/1.1 ", answer.status, " X\r\n");
  for (const auto& [name, value] : answer.headers) head += concat(name, ": ", value, "\r\n");
  if (answer.length == FakeAnswer::Length::sent && answer.status != 204)
    head += concat("Content-Length: ", answer.announced_length.value_or(answer.body.size()), "\r\n");
  head += "\r\n";
  const auto put = [&](std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  };
  if (!put(head) || request.method == "HEAD") return;
  const auto body = std::string_view(answer.body).substr(0, answer.drop_after.value_or(answer.body.size()));
  const auto step = answer.drip.value_or(std::max<std::size_t>(body.size(), 1));
  for (std::size_t at = 0; at < body.size(); at += step) {
    if (!put(body.substr(at, step))) return;
    if (answer.drip) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void FakeRegistry::break_uploads_after(std::size_t bytes, int times) {
  const std::scoped_lock lock(mutex_);
  break_after_ = bytes;
  breaks_left_ = times;
}

void FakeRegistry::require_token(std::chrono::milliseconds life, std::string credentials) {
  token_life_ = life;
  token_credentials_ = std::move(credentials);
}

std::vector<FakeRequest> FakeRegistry::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

std::vector<std::string> FakeRegistry::lines() const {
  std::vector<std::string> out;
  for (const auto& request : requests()) out.push_back(request.line());
  return out;
}

std::size_t FakeRegistry::count(const std::string& method, const std::string& part) const {
  const auto all = requests();
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const FakeRequest& request) {
    return request.method == method && contains(request.target, part);
  }));
}

void FakeRegistry::forget_requests() {
  const std::scoped_lock lock(mutex_);
  requests_.clear();
  upload_bytes_ = 0;
}

std::string FakeRegistry::add_blob(const std::string& repository, const std::string& bytes) {
  const std::scoped_lock lock(mutex_);
  blobs_[concat(repository, '@', digest_of(bytes))] = bytes;
  return digest_of(bytes);
}

std::string FakeRegistry::add_manifest(const std::string& repository, const std::string& reference,
                                       const std::string& bytes, const std::string& media_type) {
  const std::scoped_lock lock(mutex_);
  manifests_[concat(repository, ':', reference)] = {bytes, media_type};
  manifests_[concat(repository, ':', digest_of(bytes))] = {bytes, media_type};
  return digest_of(bytes);
}

std::optional<std::string> FakeRegistry::blob(const std::string& repository,
                                              const std::string& digest) const {
  const std::scoped_lock lock(mutex_);
  const auto found = blobs_.find(concat(repository, '@', digest));
  return found == blobs_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> FakeRegistry::manifest(const std::string& repository,
                                                  const std::string& reference) const {
  const std::scoped_lock lock(mutex_);
  const auto found = manifests_.find(concat(repository, ':', reference));
  return found == manifests_.end() ? std::nullopt : std::optional(found->second.bytes);
}

FakeAnswer FakeRegistry::answer(const FakeRequest& request) {
  if (request.path() == "/token") return token(request);
  if (auto refusal = check_token(request)) return *refusal;
  const auto where = route(request.path());
  if (request.path() == "/v2/") return plain(200);
  if (request.path() == "/v2/_catalog") return catalog();
  if (!where) return error(404, "NAME_UNKNOWN", "no such thing");
  if (where->kind == "/blobs/uploads/") return uploads(request, where->repository, where->rest);
  if (where->kind == "/blobs/") return blobs(request, where->repository, where->rest);
  if (where->kind == "/manifests/") return manifests(request, where->repository, where->rest);
  if (where->kind == "/tags/list") return tags(request, where->repository);
  if (referrers_ == Referrers::api) return referrers(where->repository, where->rest);
  return error(404, "UNSUPPORTED", "no referrers here");
}

std::optional<FakeAnswer> FakeRegistry::check_token(const FakeRequest& request) {
  if (!token_life_) return std::nullopt;
  const auto field = request.header("authorization");
  const auto found = tokens_.find(field.starts_with("Bearer ") ? field.substr(7) : std::string());
  if (found != tokens_.end() && std::chrono::steady_clock::now() < found->second) return std::nullopt;
  auto out = error(401, "UNAUTHORIZED", "a token, please");
  const auto where = route(request.path());
  out.headers.emplace_back("WWW-Authenticate", R"(Negotiate, Basic realm="old")");
  out.headers.emplace_back(
      "WWW-Authenticate",
      concat("Bearer realm=\"", url("/token"),
             "\",service=\"fake\",scope=\"repository:", where ? where->repository : std::string("x"),
             request.method == "GET" || request.method == "HEAD" ? ":pull\"" : ":pull,push\""));
  return out;
}

FakeAnswer FakeRegistry::token(const FakeRequest& request) {
  if (!token_credentials_.empty() &&
      request.header("authorization") != "Basic " + registry::base64_encode(token_credentials_))
    return error(401, "UNAUTHORIZED", "wrong password");
  const auto name = concat("token-", tokens_.size() + 1);
  tokens_[name] = std::chrono::steady_clock::now() + *token_life_;
  const Json body = {
      {"token", name},
      {"expires_in",
       announced_life_.value_or(std::chrono::floor<std::chrono::seconds>(*token_life_)).count()}};
  return plain(200, {{"Content-Type", "application/json"}}, body.dump());
}

FakeAnswer FakeRegistry::blobs(const FakeRequest& request, const std::string& repository,
                               const std::string& digest) {
  const auto found = blobs_.find(concat(repository, '@', digest));
  if (found == blobs_.end()) return error(404, "BLOB_UNKNOWN", "blob unknown");
  if (request.method == "DELETE") {
    blobs_.erase(found);
    return plain(202);
  }
  auto out = plain(200, {{"Content-Type", "application/octet-stream"}, {"Docker-Content-Digest", digest}},
                   found->second);
  if (const auto range = request.header("range"); range.starts_with("bytes=")) {
    const auto start = parse_uint(range.substr(6, range.find('-') - 6)).value_or(0);
    if (start >= out.body.size()) return error(416, "RANGE", "out of range");
    out.status = 206;
    out.headers.emplace_back("Content-Range",
                             concat("bytes ", start, '-', out.body.size() - 1, '/', out.body.size()));
    out.body.erase(0, start);
  }
  return out;
}

FakeAnswer FakeRegistry::uploads(const FakeRequest& request, const std::string& repository,
                                 const std::string& id) {
  const auto session = [&](int status, const std::string& name) {
    const auto size = uploads_[name].size();
    return plain(status, {{"Location", concat("/v2/", repository, "/blobs/uploads/", name, "?step=", size)},
                          {"Range", concat("0-", size == 0 ? 0 : size - 1)}});
  };
  if (request.method == "POST") {
    const auto wanted = request.parameter("mount");
    const auto from = blobs_.find(concat(request.parameter("from"), '@', wanted));
    if (!wanted.empty() && from != blobs_.end()) {
      const auto bytes = from->second;
      blobs_[concat(repository, '@', wanted)] = bytes;
      return plain(201, {{"Location", concat("/v2/", repository, "/blobs/", wanted)}});
    }
    return session(202, std::to_string(next_upload_++));
  }
  const auto upload = uploads_.find(id);
  if (upload == uploads_.end()) return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown");
  if (request.method == "GET") return session(204, id);
  if (request.method == "PATCH") {
    const auto range = request.header("content-range");
    if (!range.empty() && parse_uint(range.substr(0, range.find('-'))) != upload->second.size())
      return session(416, id);
    upload->second += request.body;
    return session(202, id);
  }
  const auto bytes = upload->second + request.body;
  const auto digest = request.parameter("digest");
  uploads_.erase(upload);
  if (digest != digest_of(bytes))
    return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
  blobs_[concat(repository, '@', digest)] = bytes;
  return plain(201, {{"Location", concat("/v2/", repository, "/blobs/", digest)}});
}

FakeAnswer FakeRegistry::manifests(const FakeRequest& request, const std::string& repository,
                                   const std::string& reference) {
  const auto key = concat(repository, ':', reference);
  if (request.method == "PUT") {
    const auto digest = digest_of(request.body);
    manifests_[key] =
        manifests_[concat(repository, ':', digest)] = {request.body, request.header("content-type")};
    auto out = plain(201, {{"Docker-Content-Digest", digest}});
    const auto json = Json::parse(request.body, nullptr, false);
    if (referrers_ == Referrers::api && json.contains("subject"))
      out.headers.emplace_back("OCI-Subject", json["subject"]["digest"]);
    return out;
  }
  const auto found = manifests_.find(key);
  if (found == manifests_.end()) return error(404, "MANIFEST_UNKNOWN", "manifest unknown");
  if (request.method == "DELETE") {
    manifests_.erase(found);
    return plain(202);
  }
  return plain(
      200,
      {{"Content-Type", found->second.media_type}, {"Docker-Content-Digest", digest_of(found->second.bytes)}},
      found->second.bytes);
}

FakeAnswer FakeRegistry::tags(const FakeRequest& request, const std::string& repository) {
  std::vector<std::string> all;
  for (const auto& [key, manifest] : manifests_)
    if (key.starts_with(repository + ':') && !contains(key, ":sha256:"))
      all.push_back(key.substr(repository.size() + 1));
  const auto last = request.parameter("last");
  std::erase_if(all, [&](const std::string& tag) { return tag <= last; });
  constexpr std::size_t kPage = 2;
  auto out = plain(200, {{"Content-Type", "application/json"}});
  if (all.size() > kPage) {
    all.resize(kPage);
    out.headers.emplace_back(
        "Link", concat("</v2/", repository, "/tags/list?n=2&last=", all.back(), ">; rel=\"next\""));
  }
  out.body = Json{{"name", repository}, {"tags", all}}.dump();
  return out;
}

FakeAnswer FakeRegistry::catalog() {
  std::set<std::string> names;
  for (const auto& [key, manifest] : manifests_) names.insert(key.substr(0, key.find(':')));
  return plain(200, {{"Content-Type", "application/json"}}, Json{{"repositories", names}}.dump());
}

FakeAnswer FakeRegistry::referrers(const std::string& repository, const std::string& digest) {
  Json list = Json::array();
  std::set<std::string> seen;
  for (const auto& [key, manifest] : manifests_) {
    const auto json = Json::parse(manifest.bytes, nullptr, false);
    if (!key.starts_with(repository + ':') || !json.is_object() || !json.contains("subject")) continue;
    if (json["subject"]["digest"] != digest || !seen.insert(digest_of(manifest.bytes)).second) continue;
    list.push_back({{"mediaType", manifest.media_type},
                    {"digest", digest_of(manifest.bytes)},
                    {"size", manifest.bytes.size()},
                    {"artifactType", json.value("artifactType", "")}});
  }
  const Json index = {
      {"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", list}};
  return plain(200, {{"Content-Type", "application/vnd.oci.image.index.v1+json"}}, index.dump());
}

}  // namespace dash::testing
