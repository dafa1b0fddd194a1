#include "registry/http_client.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "registry/byte_ring.hpp"
#include "registry/proxies.hpp"
#include "registry/transfer_failure.hpp"
#include "registry/url.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dash::registry {

namespace {

using Clock = std::chrono::steady_clock;

// What one thread hands to the other at once: large, so that they wake each other seldom.
constexpr std::size_t kBatch = std::size_t{128} << 10;
constexpr std::size_t kMaxHeadSize = std::size_t{256} << 10;
constexpr std::uint64_t kStallBytesPerSecond = 1000;
constexpr std::chrono::milliseconds kTick{500};

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void set(CURL* easy, CURLoption option, const std::string& value) {
  curl_easy_setopt(easy, option, value.c_str());
}

}  // namespace

// One request on its way, shared by the thread that waits for it and the loop's.
struct Transfer {
  explicit Transfer(const HttpRequest& what) : request(what) { request.body = nullptr; }

  HttpRequest request;  // for messages; its body belongs to the waiting thread
  Easy easy{nullptr, &curl_easy_cleanup};
  HeaderList header_list{nullptr, &curl_slist_free_all};
  std::string ca_pem;
  std::array<char, CURL_ERROR_SIZE> error_text{};

  std::mutex mutex;
  std::condition_variable_any changed;
  ByteRing received;
  ByteRing to_send;
  bool receiving_paused = false;
  bool sending_paused = false;
  bool body_complete = false;  // everything to send is in `to_send`
  bool head_complete = false;
  bool done = false;
  std::unique_ptr<TransferError> failure;
  int status = 0;
  HttpHeaders headers;
  std::size_t head_size = 0;
  std::optional<std::uint64_t> content_length;
  std::string peer;
  std::string proxy;  // empty: none
  bool refused_address = false;

  // The loop's thread only: what the watch over progress needs.
  bool connected = false;
  bool all_sent = false;
  std::uint64_t moved = 0;
  std::uint64_t moved_at_check = 0;
  Clock::time_point checked = Clock::now();
};

// The thread that owns the multi handle.
class HttpLoop {
 public:
  explicit HttpLoop(const HttpSettings& settings) : settings_(settings) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi_ = curl_multi_init();
    if (multi_ == nullptr) throw std::bad_alloc();
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(settings.connections_per_host));
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(settings.connections_per_host) * 4);
    thread_ = std::jthread([this](const std::stop_token& end) { run(end); });
  }
  ~HttpLoop() {
    thread_.request_stop();
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
    curl_global_cleanup();
  }
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

  enum class Wish { start, resume, drop };
  void ask(Wish wish, std::shared_ptr<Transfer> transfer) {
    {
      const std::scoped_lock lock(mutex_);
      wishes_.emplace_back(wish, std::move(transfer));
    }
    curl_multi_wakeup(multi_);
  }

 private:
  void run(const std::stop_token& end) {
    while (!end.stop_requested()) {
      grant_wishes();
      int active = 0;
      curl_multi_perform(multi_, &active);
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi_, &left))
        if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
      watch();
      const auto wait = transfers_.empty() ? std::chrono::milliseconds(60'000) : kTick;
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    for (const auto& transfer : transfers_) curl_multi_remove_handle(multi_, transfer->easy.get());
    transfers_.clear();
  }

  void grant_wishes() {
    std::deque<std::pair<Wish, std::shared_ptr<Transfer>>> wishes;
    {
      const std::scoped_lock lock(mutex_);
      wishes.swap(wishes_);
    }
    for (auto& [wish, transfer] : wishes) {
      const auto place = std::find(transfers_.begin(), transfers_.end(), transfer);
      if (wish == Wish::start) {
        transfer->checked = Clock::now();
        curl_multi_add_handle(multi_, transfer->easy.get());
        transfers_.push_back(std::move(transfer));
      } else if (place != transfers_.end() && wish == Wish::drop) {
        curl_multi_remove_handle(multi_, transfer->easy.get());
        transfers_.erase(place);
      } else if (place != transfers_.end()) {
        resume(*transfer);
      }
    }
  }

  static void resume(Transfer& transfer) {
    {
      const std::scoped_lock lock(transfer.mutex);
      transfer.receiving_paused = transfer.sending_paused = false;
    }
    curl_easy_pause(transfer.easy.get(), CURLPAUSE_CONT);
  }

  void finish(CURL* easy, CURLcode code) {
    const auto place = std::find_if(transfers_.begin(), transfers_.end(),
                                    [&](const auto& transfer) { return transfer->easy.get() == easy; });
    if (place == transfers_.end()) return;
    const auto transfer = *place;
    curl_multi_remove_handle(multi_, easy);
    transfers_.erase(place);
    if (code == CURLE_OK) return end(*transfer, nullptr);
    end(*transfer, failure_of(*transfer, code));
  }

  std::unique_ptr<TransferError> failure_of(const Transfer& transfer, CURLcode code) const {
    FailedTransfer failed{
        transfer.request, code,
        transfer.error_text[0] != '\0' ? transfer.error_text.data() : curl_easy_strerror(code)};
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_HTTP_CONNECTCODE, &failed.proxy_status);
    failed.proxy = transfer.proxy;
    failed.head_complete = transfer.head_complete;
    failed.refused_address = transfer.refused_address;
    return std::make_unique<TransferError>(explain(failed, settings_.ca_bundle));
  }

  static void end(Transfer& transfer, std::unique_ptr<TransferError> failure) {
    const std::scoped_lock lock(transfer.mutex);
    transfer.failure = std::move(failure);
    transfer.done = true;
    transfer.changed.notify_all();
  }

  // Ends transfers that do not get on. What waits for our own side (paused) is not late.
  void watch() {
    const auto now = Clock::now();
    for (std::size_t i = 0; i < transfers_.size();) {
      const auto transfer = transfers_[i];
      const auto reason = lateness(*transfer, now);
      if (reason.empty()) {
        ++i;
        continue;
      }
      curl_multi_remove_handle(multi_, transfer->easy.get());
      transfers_.erase(transfers_.begin() + static_cast<std::ptrdiff_t>(i));
      end(*transfer, std::make_unique<TransferError>(TransferError::Kind::broken, transfer->request, reason));
    }
  }

  std::string lateness(Transfer& transfer, Clock::time_point now) const {
    if (!transfer.connected)
      return {};  // libcurl watches over connecting, and queueing takes as long as it takes
    bool paused = false;
    bool awaiting_answer = false;
    {
      const std::scoped_lock lock(transfer.mutex);
      paused = transfer.receiving_paused || transfer.sending_paused;
      awaiting_answer = transfer.all_sent && !transfer.head_complete;
    }
    if (paused) {
      transfer.checked = now;
      transfer.moved_at_check = transfer.moved;
      return {};
    }
    const auto limit = awaiting_answer ? settings_.answer_timeout : settings_.stall_timeout;
    if (now - transfer.checked < limit) return {};
    const auto moved = transfer.moved - transfer.moved_at_check;
    if (moved < kStallBytesPerSecond * static_cast<std::uint64_t>(limit.count()))
      return awaiting_answer ? concat("no answer for ", limit.count(), " s")
                             : concat("stalled: ", moved, " bytes in ", limit.count(), " s");
    transfer.checked = now;
    transfer.moved_at_check = transfer.moved;
    return {};
  }

  const HttpSettings& settings_;
  CURLM* multi_ = nullptr;
  std::mutex mutex_;
  std::deque<std::pair<Wish, std::shared_ptr<Transfer>>> wishes_;
  std::vector<std::shared_ptr<Transfer>> transfers_;  // the loop's thread only
  std::jthread thread_;
};

namespace {

std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::scoped_lock lock(transfer.mutex);
  if (transfer.received.room() < size) {
    transfer.receiving_paused = true;
    transfer.changed.notify_all();
    return CURL_WRITEFUNC_PAUSE;
  }
  const bool was_enough = transfer.received.size() >= kBatch;
  transfer.received.push(as_bytes({data, size}));
  transfer.moved += size;
  if (!was_enough && transfer.received.size() >= kBatch) transfer.changed.notify_all();
  return size;
}

std::size_t on_send(char* out, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::scoped_lock lock(transfer.mutex);
  transfer.connected = true;
  const auto count = transfer.to_send.pop(std::as_writable_bytes(std::span(out, size)));
  transfer.moved += count;
  if (count == 0 && !transfer.body_complete) {
    transfer.sending_paused = true;
    transfer.changed.notify_all();
    return CURL_READFUNC_PAUSE;
  }
  if (transfer.body_complete && transfer.to_send.size() == 0 && !transfer.all_sent) {
    transfer.all_sent = true;
    transfer.checked = Clock::now();
    transfer.moved_at_check = transfer.moved;
  }
  if (transfer.to_send.room() >= kBatch) transfer.changed.notify_all();
  return count;
}

void read_head_end(Transfer& transfer) {
  CURL* easy = transfer.easy.get();
  curl_off_t length = -1;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length >= 0) transfer.content_length = static_cast<std::uint64_t>(length);
  char* peer = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &peer);
  if (peer != nullptr) transfer.peer = peer;
  transfer.head_complete = true;
  transfer.checked = Clock::now();
  transfer.moved_at_check = transfer.moved;
  transfer.changed.notify_all();
}

std::size_t on_head(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const auto line = trim({data, size});
  const std::scoped_lock lock(transfer.mutex);
  if (transfer.head_complete) return size;  // trailers
  transfer.head_size += size;
  if (transfer.head_size > kMaxHeadSize) return 0;
  if (line.starts_with("HTTP/")) {
    const auto words = split_words(line);
    transfer.status = words.size() < 2 ? 0 : static_cast<int>(parse_uint(words[1]).value_or(0));
    transfer.headers.clear();
  } else if (line.empty()) {
    if (transfer.status >= 200) read_head_end(transfer);
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.headers.add(std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
  return size;
}

// libcurl is connected, so that slowness from here on is the server's.
int on_connected(void* context, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(context);
  transfer.connected = true;
  transfer.all_sent = transfer.all_sent || transfer.request.body_size == 0;
  transfer.checked = Clock::now();
  return CURL_PREREQFUNC_OK;
}

curl_socket_t on_open_socket(void* context, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(context);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes =
      address->family == AF_INET
          ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(&address->addr)->sin_addr)
          : &reinterpret_cast<sockaddr_in6*>(&address->addr)->sin6_addr;
  ::inet_ntop(address->family, bytes, text.data(), text.size());
  if (is_private_address(text.data())) {
    transfer.refused_address = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string read_certificates(const fs::path& file, std::uint64_t limit) {
  auto out = read_file(file, limit);
  if (!contains(out, "-----BEGIN ") || !contains(out, "CERTIFICATE-----"))
    throw Error(ErrorCode::invalid_input, concat(file.string(), " holds no certificate"))
        .with_hint("CA files are PEM: they have lines with 'BEGIN CERTIFICATE'");
  return out;
}

void configure_tls(Transfer& transfer, const HttpSettings& settings) {
  CURL* easy = transfer.easy.get();
  const auto& tls = transfer.request.tls;
  const bool verifies = !tls || tls->verify == TlsSettings::Verify::yes;
  if (!verifies || !settings.ca_bundle.empty()) {
    // The bundle is what counts. Besides, libcurl reads it anew for each connection while there is a
    // directory.
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy, CURLOPT_CAINFO, verifies ? settings.ca_bundle.c_str() : nullptr);
  }
  if (!tls) return;
  if (!verifies) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!tls->extra_cas.empty()) {
    constexpr std::uint64_t kLimit = std::uint64_t{8} << 20;
    if (!settings.ca_bundle.empty()) transfer.ca_pem = read_file(settings.ca_bundle, kLimit) + '\n';
    for (const auto& file : tls->extra_cas) transfer.ca_pem += read_certificates(file, kLimit) + '\n';
    const curl_blob blob{transfer.ca_pem.data(), transfer.ca_pem.size(), CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!tls->client_certificate.empty()) set(easy, CURLOPT_SSLCERT, tls->client_certificate.string());
  if (!tls->client_key.empty()) set(easy, CURLOPT_SSLKEY, tls->client_key.string());
}

// Always set, also to nothing: libcurl would read the environment otherwise.
void configure_proxy(Transfer& transfer, const HttpSettings& settings) {
  if (const auto url = Url::parse(transfer.request.url)) transfer.proxy = proxy_for(*url, settings.proxies);
  set(transfer.easy.get(), CURLOPT_PROXY, transfer.proxy);
  set(transfer.easy.get(), CURLOPT_NOPROXY, "");
  curl_easy_setopt(transfer.easy.get(), CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void configure_method(Transfer& transfer) {
  CURL* easy = transfer.easy.get();
  const auto& method = transfer.request.method;
  if (method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (method != "GET") {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(transfer.request.body_size));
    set(easy, CURLOPT_CUSTOMREQUEST, method);
  }
}

void configure_headers(Transfer& transfer) {
  const auto add = [&](const std::string& line) {
    auto* longer = curl_slist_append(transfer.header_list.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)transfer.header_list.release();
    transfer.header_list.reset(longer);
  };
  for (const auto& [name, value] : transfer.request.headers) add(concat(name, ": ", value));
  add("Expect:");  // credentials are known beforehand; waiting for "100 Continue" costs a round trip
  curl_easy_setopt(transfer.easy.get(), CURLOPT_HTTPHEADER, transfer.header_list.get());
}

void configure(Transfer& transfer, const HttpSettings& settings) {
  transfer.easy.reset(curl_easy_init());
  CURL* easy = transfer.easy.get();
  if (easy == nullptr) throw std::bad_alloc();
  const auto& request = transfer.request;
  set(easy, CURLOPT_URL, request.url);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_USERAGENT, settings.user_agent);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   static_cast<long>(request.wire == HttpRequest::Wire::own ? CURL_HTTP_VERSION_1_1
                                                                            : CURL_HTTP_VERSION_2TLS));
  // Where TLS settles the protocol, waiting for that saves connections; elsewhere it would be waiting for the
  // answer to somebody else's request.
  if (request.wire == HttpRequest::Wire::shared && request.url.starts_with("https:"))
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, static_cast<long>(kStreamBlock));
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(kStreamBlock));
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &on_send);
  curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_head);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &on_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &transfer);
  configure_method(transfer);
  configure_headers(transfer);
  configure_tls(transfer, settings);
  configure_proxy(transfer, settings);
  if (request.addresses == HttpRequest::Addresses::public_only && transfer.proxy.empty()) {
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  }
  if (!request.netrc.empty()) {
    curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
    set(easy, CURLOPT_NETRC_FILE, request.netrc.string());
  }
}

[[noreturn]] void throw_canceled(const HttpRequest& request) {
  throw Error(ErrorCode::canceled, concat(request.method, ' ', redact_url(request.url), ": canceled"));
}

// Feeds the request's body to the loop until it is complete or the server has answered.
void send_body(const std::shared_ptr<Transfer>& shared, HttpLoop& loop, Source& body,
               const std::stop_token& stop) {
  auto& transfer = *shared;
  std::vector<std::byte> buffer(kBatch);
  auto left = transfer.request.body_size;
  while (left > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    const auto count = body.read(MutableBytes(buffer).first(wanted));
    if (count == 0)
      throw Error(ErrorCode::internal, concat("a request body ends ", left, " bytes before its size"));
    left -= count;
    bool resume = false;
    {
      std::unique_lock lock(transfer.mutex);
      const auto ready = [&] {
        return transfer.head_complete || transfer.done || transfer.to_send.room() >= count;
      };
      if (!transfer.changed.wait(lock, stop, ready)) throw_canceled(transfer.request);
      if (transfer.head_complete || transfer.done) return;
      transfer.to_send.push(Bytes(buffer).first(count));
      transfer.body_complete = left == 0;
      resume = transfer.sending_paused;
    }
    if (resume) loop.ask(HttpLoop::Wish::resume, shared);
  }
}

}  // namespace

std::string_view HttpHeaders::get(std::string_view name) const {
  const auto lower = to_lower(name);
  for (const auto& [key, value] : fields_)
    if (to_lower(key) == lower) return value;
  return {};
}

std::vector<std::string_view> HttpHeaders::all(std::string_view name) const {
  const auto lower = to_lower(name);
  std::vector<std::string_view> out;
  for (const auto& [key, value] : fields_)
    if (to_lower(key) == lower) out.emplace_back(value);
  return out;
}

HttpAnswer::HttpAnswer(HttpLoop& loop, std::shared_ptr<Transfer> transfer, std::stop_token stop)
    : loop_(loop), transfer_(std::move(transfer)), stop_(std::move(stop)) {}

HttpAnswer::~HttpAnswer() {
  loop_.ask(HttpLoop::Wish::drop, transfer_);
}

// What the head says does not change any more once an HttpAnswer exists.
int HttpAnswer::status() const {
  return transfer_->status;
}
const HttpHeaders& HttpAnswer::headers() const {
  return transfer_->headers;
}
std::optional<std::uint64_t> HttpAnswer::content_length() const {
  return transfer_->content_length;
}
const std::string& HttpAnswer::peer() const {
  return transfer_->peer;
}
bool HttpAnswer::through_proxy() const {
  return !transfer_->proxy.empty();
}

std::size_t HttpAnswer::read(MutableBytes buffer) {
  if (buffer.empty()) return 0;
  std::size_t count = 0;
  bool resume = false;
  {
    auto& transfer = *transfer_;
    std::unique_lock lock(transfer.mutex);
    const auto ready = [&] { return transfer.received.size() >= kBatch || transfer.done; };
    if (!transfer.changed.wait(lock, stop_, ready)) throw_canceled(transfer.request);
    count = transfer.received.pop(buffer);
    if (count == 0 && transfer.failure) throw TransferError(*transfer.failure);
    resume = transfer.receiving_paused && transfer.received.room() >= ByteRing::kSize / 2;
  }
  if (resume) loop_.ask(HttpLoop::Wish::resume, transfer_);
  return count;
}

HttpClient::HttpClient(HttpSettings settings)
    : settings_(std::move(settings)), loop_(std::make_unique<HttpLoop>(settings_)) {}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpAnswer> HttpClient::send(const HttpRequest& request, std::stop_token stop) {
  auto transfer = std::make_shared<Transfer>(request);
  transfer->body_complete = request.body_size == 0;
  configure(*transfer, settings_);
  loop_->ask(HttpLoop::Wish::start, transfer);
  // From here on the answer's destructor takes the transfer out of the loop, whatever happens.
  std::unique_ptr<HttpAnswer> answer(new HttpAnswer(*loop_, transfer, stop));
  if (request.body_size > 0) send_body(transfer, *loop_, *request.body, stop);
  std::unique_lock lock(transfer->mutex);
  if (!transfer->changed.wait(lock, stop, [&] { return transfer->head_complete || transfer->done; }))
    throw_canceled(request);
  if (!transfer->head_complete) {
    if (transfer->failure) throw TransferError(*transfer->failure);
    throw TransferError(TransferError::Kind::broken, request, "the server sent no answer");
  }
  return answer;
}

}  // namespace dash::registry
