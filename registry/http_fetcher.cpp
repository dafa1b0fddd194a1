#include "registry/http_fetcher.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "registry/partial_file.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <random>

#include <curl/curl.h>

namespace dash::registry {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollInterval{100};
constexpr std::chrono::milliseconds kProgressInterval{50};
constexpr long kStallBytesPerSecond = 1000;
constexpr long kMaxRedirects = 10;

struct CurlGlobal {
  CurlGlobal() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~CurlGlobal() { curl_global_cleanup(); }
  CurlGlobal(const CurlGlobal&) = delete;
  CurlGlobal& operator=(const CurlGlobal&) = delete;
};

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;

// One file on its way, over all its tries.
struct Transfer {
  const Download* download = nullptr;
  std::unique_ptr<PartialFile> file;
  Easy easy{nullptr, &curl_easy_cleanup};
  std::exception_ptr failure;  // thrown in a callback, where it must not leave
  std::uint64_t max_bytes = 0;
  std::uint64_t total = 0;
  std::uint64_t reported = 0;
  Clock::time_point last_report;
  Clock::time_point not_before;  // of the next try
  unsigned tries = 0;
  enum class Answer { awaited, accepted, refused } answer = Answer::awaited;
  char error_text[CURL_ERROR_SIZE] = {};
};

Error fetch_error(ErrorCode code, const Download& download, std::string_view why) {
  return Error(code,
               concat("cannot download ", download.shown, " from ", redact_url(download.url), ": ", why));
}

Error status_error(const Download& download, long status) {
  const std::string why = concat("the server answered ", status);
  if (status == 404 || status == 410)
    return fetch_error(ErrorCode::not_found, download, why)
        .with_hint(
            "The index names a file that is not there (any more). Build with --no-cache to resolve anew.");
  if (status == 401 || status == 403 || status == 407)
    return fetch_error(ErrorCode::denied, download, why)
        .with_hint("Check the user name and password in the index URL, the netrc file or the proxy setting.");
  return fetch_error(ErrorCode::unavailable, download, why).with_hint("Try again later.");
}

bool is_retryable(long status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

// Failures that another try does not mend.
bool is_final(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_OUT_OF_MEMORY:
      return true;
    default:
      return false;
  }
}

Error curl_error(const Download& download, CURLcode code, std::string_view text) {
  Error error = fetch_error(ErrorCode::unavailable, download, text.empty() ? curl_easy_strerror(code) : text);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    error.with_hint(
        "The server's certificate is not trusted here. Name the right CA bundle (SSL_CERT_FILE).");
  else if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
           code == CURLE_COULDNT_CONNECT)
    error.with_hint("Check the network, the proxy settings and the index URL.");
  else
    error.with_hint("Try again; what was received is kept and continued.");
  return error;
}

// The answer's status decides what becomes of the body; a server that ignores the range starts from the
// front.
void accept_answer(Transfer& transfer) {
  long status = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200 && status != 206) {
    transfer.answer = Transfer::Answer::refused;
    return;
  }
  transfer.answer = Transfer::Answer::accepted;
  if (status == 200 && transfer.file->size() > 0) transfer.file->clear();
  curl_off_t length = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  transfer.total = length > 0 ? transfer.file->size() + static_cast<std::uint64_t>(length)
                              : transfer.download->size.value_or(0);
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  try {
    if (transfer.answer == Transfer::Answer::awaited) accept_answer(transfer);
    if (transfer.answer == Transfer::Answer::refused) return size;  // the body of an error
    if (transfer.file->size() + size > transfer.max_bytes)
      throw fetch_error(ErrorCode::corrupt, *transfer.download,
                        concat("it is larger than ", transfer.max_bytes, " bytes"));
    transfer.file->append(as_bytes({data, size}));
    return size;
  } catch (...) {
    transfer.failure = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::string setting(const std::map<std::string, std::string>& proxies, const std::string& name) {
  for (const auto& [key, value] : proxies)
    if (to_lower(key) == name) return value;
  return {};
}

void set(CURL* easy, CURLoption option, const std::string& value) {
  curl_easy_setopt(easy, option, value.c_str());
}

// "file:///a%20b" and "file://localhost/…" as a path.
fs::path path_of_file_url(const Download& download) {
  std::string_view rest = std::string_view(download.url).substr(std::string_view("file:").size());
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::size_t slash = rest.find('/');
    const std::string_view host = rest.substr(0, slash);
    if (slash == std::string_view::npos || (!host.empty() && host != "localhost"))
      throw fetch_error(ErrorCode::invalid_input, download, "a file URL must name a local path");
    rest.remove_prefix(slash);
  }
  rest = rest.substr(0, rest.find_first_of("?#"));
  int size = 0;
  const std::unique_ptr<char, decltype(&curl_free)> decoded(
      curl_easy_unescape(nullptr, rest.data(), static_cast<int>(rest.size()), &size), &curl_free);
  if (!decoded) throw std::bad_alloc();
  return std::string(decoded.get(), static_cast<std::size_t>(size));
}

void verify_and_commit(PartialFile& file, const Download& download) {
  const std::uint64_t size = file.size();
  if (download.size && size != *download.size) {
    file.discard();
    throw fetch_error(ErrorCode::corrupt, download,
                      concat("it has ", size, " bytes instead of ", *download.size))
        .with_hint(
            "The file on the server is not the one that was resolved. Build with --no-cache to resolve "
            "anew.");
  }
  if (download.sha256) {
    const Sha256 found = file.digest();
    if (found != *download.sha256) {
      file.discard();
      throw fetch_error(ErrorCode::corrupt, download,
                        concat("its sha256 is ", to_hex(found), " instead of ", to_hex(*download.sha256)))
          .with_hint(
              "The file on the server is not the one that was resolved. Build with --no-cache to resolve "
              "anew.");
    }
  }
  file.commit();
  if (download.completed) download.completed();
}

// All transfers of one call; curl's multi handle has one owner thread.
class Batch {
 public:
  Batch(const FetchSettings& settings, const HttpFetcher::Progress& progress, std::stop_token stop)
      : settings_(settings),
        progress_(progress),
        stop_(std::move(stop)),
        multi_(curl_multi_init(), &curl_multi_cleanup) {
    if (!multi_) throw std::bad_alloc();
    curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(settings.connections_per_host));
  }
  ~Batch() {
    for (const auto& transfer : running_) curl_multi_remove_handle(multi_.get(), transfer->easy.get());
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void add(const Download& download) {
    auto transfer = std::make_unique<Transfer>();
    transfer->download = &download;
    transfer->max_bytes = download.size.value_or(settings_.max_bytes);
    waiting_.push_back(std::move(transfer));
  }

  void run() {
    while (!waiting_.empty() || !running_.empty()) {
      if (stop_.stop_requested()) throw Error(ErrorCode::canceled, "download canceled");
      start_waiting();
      int active = 0;
      check(curl_multi_perform(multi_.get(), &active));
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left))
        if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
      for (const auto& transfer : running_) report(*transfer);
      if (!waiting_.empty() || !running_.empty())
        check(curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(kPollInterval.count()), nullptr));
    }
  }

 private:
  static void check(CURLMcode code) {
    if (code != CURLM_OK) throw Error(ErrorCode::internal, concat("libcurl: ", curl_multi_strerror(code)));
  }

  void start_waiting() {
    const auto now = Clock::now();
    for (auto it = waiting_.begin(); it != waiting_.end() && running_.size() < settings_.parallel;) {
      if ((*it)->not_before > now) {
        ++it;
        continue;
      }
      std::unique_ptr<Transfer> transfer = std::move(*it);
      it = waiting_.erase(it);
      start(*transfer);
      running_.push_back(std::move(transfer));
    }
  }

  void start(Transfer& transfer) {
    const Download& download = *transfer.download;
    if (!transfer.file)
      transfer.file = std::make_unique<PartialFile>(
          download.destination, download.sha256 ? PartialFile::Resume::yes : PartialFile::Resume::no);
    // As much as wanted, or more, and still here: not the file that is meant.
    if (transfer.file->size() >= transfer.max_bytes || !download.sha256) transfer.file->clear();
    transfer.answer = Transfer::Answer::awaited;
    transfer.error_text[0] = '\0';
    ++transfer.tries;
    transfer.easy.reset(curl_easy_init());
    CURL* easy = transfer.easy.get();
    if (easy == nullptr) throw std::bad_alloc();
    configure(easy, download);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text);
    curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(transfer.file->size()));
    check(curl_multi_add_handle(multi_.get(), easy));
  }

  void configure(CURL* easy, const Download& download) const {
    set(easy, CURLOPT_URL, download.url);
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_USERAGENT, settings_.user_agent);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings_.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings_.stall_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, static_cast<long>(kStreamBlock));
    if (!settings_.ca_bundle.empty()) set(easy, CURLOPT_CAINFO, settings_.ca_bundle.string());
    // Always set, also to nothing: libcurl would read the environment otherwise.
    std::string proxy =
        setting(settings_.proxies, download.url.starts_with("https:") ? "https_proxy" : "http_proxy");
    if (proxy.empty()) proxy = setting(settings_.proxies, "all_proxy");
    set(easy, CURLOPT_PROXY, proxy);
    set(easy, CURLOPT_NOPROXY, setting(settings_.proxies, "no_proxy"));
    if (!settings_.netrc.empty()) {
      curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
      set(easy, CURLOPT_NETRC_FILE, settings_.netrc.string());
    }
  }

  void finish(CURL* easy, CURLcode code) {
    const auto found = std::ranges::find_if(running_, [&](const auto& t) { return t->easy.get() == easy; });
    std::unique_ptr<Transfer> transfer = std::move(*found);
    running_.erase(found);
    curl_multi_remove_handle(multi_.get(), easy);
    if (transfer->failure) std::rethrow_exception(transfer->failure);
    if (code == CURLE_OK && transfer->answer == Transfer::Answer::awaited)
      accept_answer(*transfer);  // empty body
    if (code == CURLE_OK && transfer->answer == Transfer::Answer::accepted) {
      transfer->total = transfer->file->size();
      transfer->last_report = {};
      report(*transfer);
      verify_and_commit(*transfer->file, *transfer->download);
      return;
    }
    retry_or_throw(std::move(transfer), code);
  }

  void retry_or_throw(std::unique_ptr<Transfer> transfer, CURLcode code) {
    const Download& download = *transfer->download;
    long status = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(transfer->easy.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy.get(), CURLINFO_RETRY_AFTER, &retry_after);
    const bool refused = code == CURLE_OK || transfer->answer == Transfer::Answer::refused;
    // What is here does not fit to what the server has: start over.
    const bool bad_range = (refused && status == 416) || code == CURLE_RANGE_ERROR;
    if (bad_range) transfer->file->clear();
    const bool worth_it = refused ? is_retryable(status) || bad_range : !is_final(code);
    if (!worth_it || transfer->tries > settings_.retries)
      throw refused ? status_error(download, status) : curl_error(download, code, transfer->error_text);
    transfer->not_before = Clock::now() + pause(transfer->tries, std::chrono::seconds(retry_after));
    waiting_.push_back(std::move(transfer));
  }

  std::chrono::milliseconds pause(unsigned tries, std::chrono::seconds retry_after) {
    const auto ceiling =
        std::min(settings_.retry_ceiling, settings_.retry_base * (1U << std::min(tries - 1, 16U)));
    std::uniform_int_distribution<std::int64_t> jitter(0, ceiling.count());
    const std::chrono::milliseconds wait(jitter(random_));
    // A server that asks for an hour does not get it.
    const std::chrono::milliseconds asked =
        std::min<std::chrono::milliseconds>(retry_after, std::chrono::minutes(2));
    return std::max(wait, asked);
  }

  void report(Transfer& transfer) const {
    const std::uint64_t done = transfer.file->size();
    const auto now = Clock::now();
    if (!progress_ || done == transfer.reported || now - transfer.last_report < kProgressInterval) return;
    transfer.reported = done;
    transfer.last_report = now;
    progress_(*transfer.download, done, transfer.total);
  }

  const FetchSettings& settings_;
  const HttpFetcher::Progress& progress_;
  std::stop_token stop_;
  std::minstd_rand random_{std::random_device{}()};
  Multi multi_;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  std::vector<std::unique_ptr<Transfer>> running_;
};

void copy_local(const Download& download, std::uint64_t max_bytes, const HttpFetcher::Progress& progress,
                const std::stop_token& stop) {
  const fs::path path = path_of_file_url(download);
  FileSource source(path);
  PartialFile file(download.destination, PartialFile::Resume::no);
  std::vector<std::byte> buffer(kStreamBlock);
  while (const std::size_t count = source.read(buffer)) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "download canceled");
    if (file.size() + count > max_bytes)
      throw fetch_error(ErrorCode::corrupt, download, concat("it is larger than ", max_bytes, " bytes"));
    file.append(Bytes(buffer).first(count));
  }
  if (progress) progress(download, file.size(), file.size());
  verify_and_commit(file, download);
}

}  // namespace

void HttpFetcher::fetch(const std::vector<Download>& downloads, const Progress& progress,
                        std::stop_token stop) const {
  const CurlGlobal global;
  Batch batch(settings_, progress, stop);
  for (const Download& download : downloads) {
    if (download.url.starts_with("file:"))
      copy_local(download, download.size.value_or(settings_.max_bytes), progress, stop);
    else
      batch.add(download);
  }
  batch.run();
}

}  // namespace dash::registry
