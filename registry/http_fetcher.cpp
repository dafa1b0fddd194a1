#include "registry/http_fetcher.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "registry/base64.hpp"
#include "registry/partial_file.hpp"
#include "registry/redirects.hpp"

#include <algorithm>
#include <ctime>
#include <mutex>

#include <curl/curl.h>

namespace dash::registry {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kProgressInterval{50};
constexpr const char* kStaleHint =
    "The file on the server is not the one that was resolved. Build with --no-cache to resolve anew.";

Error fetch_error(ErrorCode code, const Download& download, std::string_view why) {
  return Error(code,
               concat("cannot download ", download.shown, " from ", redact_url(download.url), ": ", why));
}

Error status_error(const Download& download, int status) {
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
        .with_hint(kStaleHint);
  }
  if (download.sha256) {
    const Sha256 found = file.digest();
    if (found != *download.sha256) {
      file.discard();
      throw fetch_error(ErrorCode::corrupt, download,
                        concat("its sha256 is ", to_hex(found), " instead of ", to_hex(*download.sha256)))
          .with_hint(kStaleHint);
    }
  }
  file.commit();
}

using Report = std::function<void(std::uint64_t done, std::uint64_t total)>;

void copy_local(const Download& download, std::uint64_t max_bytes, const Report& report,
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
  report(file.size(), file.size());
  verify_and_commit(file, download);
}

// One file over all its tries.
class Fetch {
 public:
  Fetch(HttpClient& http, const FetchSettings& settings, const Download& download, Report report,
        std::stop_token stop)
      : http_(http),
        settings_(settings),
        download_(download),
        report_(std::move(report)),
        stop_(std::move(stop)),
        max_bytes_(download.size.value_or(settings.max_bytes)),
        file_(download.destination, download.sha256 ? PartialFile::Resume::yes : PartialFile::Resume::no) {}

  void run() {
    Backoff backoff(settings_.retry);
    for (;;) {
      std::optional<std::chrono::milliseconds> wait;
      try {
        auto reply = send();
        if (reply.status() == 200 || reply.status() == 206) {
          receive(reply);
          verify_and_commit(file_, download_);
          return;
        }
        // What is here does not fit to what the server has: start over.
        const bool bad_range = reply.status() == 416;
        if (bad_range) file_.clear();
        if (!bad_range && !is_retryable_status(reply.status())) throw status_error(download_, reply.status());
        wait = backoff.next(parse_retry_after(reply.header("Retry-After"), std::time(nullptr))
                                .value_or(std::chrono::seconds(0)));
        if (!wait) throw status_error(download_, reply.status());
      } catch (const TransferError& error) {
        wait = backoff.next_after(error);
        if (!wait)
          throw fetch_error(ErrorCode::unavailable, download_, error.reason()).with_hint(error.hint());
      }
      pause_for(*wait, stop_);
    }
  }

 private:
  Reply send() {
    // As much as wanted, or more, and still here: not the file that is meant.
    if (file_.size() >= max_bytes_ || !download_.sha256) file_.clear();
    const auto url = Url::parse(download_.url);
    if (!url) throw fetch_error(ErrorCode::invalid_input, download_, "this is not a URL that can be fetched");
    HttpRequest request;
    request.netrc = settings_.netrc;
    if (file_.size() > 0) request.headers.add("Range", concat("bytes=", file_.size(), '-'));
    const auto user = user_info(download_.url);
    const auto for_server = [&](HttpRequest& sent, const Url& server) {
      if (download_.certificates == Download::Certificates::unchecked && server.host == url->host)
        sent.tls = std::make_shared<TlsSettings>(TlsSettings{TlsSettings::Verify::no, {}, {}, {}});
      if (user && server.same_origin(*url))
        sent.headers.add("Authorization", "Basic " + base64_encode(concat(user->first, ':', user->second)));
    };
    return send_following(http_, std::move(request), *url, nullptr, for_server, stop_);
  }

  // A server that ignores the range, or misunderstands it, starts from the front.
  void receive(Reply& reply) {
    const auto range = concat("bytes ", file_.size(), '-');
    if (reply.status() == 206 && !reply.header("Content-Range").starts_with(range))
      throw fetch_error(ErrorCode::corrupt, download_,
                        "the server sent another part of the file than was asked for");
    if (reply.status() == 200 && file_.size() > 0) file_.clear();
    const auto length = reply.answer->content_length();
    const auto total = length ? file_.size() + *length : download_.size.value_or(0);
    std::vector<std::byte> buffer(kStreamBlock);
    Clock::time_point last_report;
    while (const auto count = reply.answer->read(buffer)) {
      if (file_.size() + count > max_bytes_)
        throw fetch_error(ErrorCode::corrupt, download_, concat("it is larger than ", max_bytes_, " bytes"));
      file_.append(Bytes(buffer).first(count));
      if (file_.size() == total || Clock::now() - last_report < kProgressInterval) continue;
      last_report = Clock::now();
      report_(file_.size(), total);
    }
    report_(file_.size(), file_.size());
  }

  HttpClient& http_;
  const FetchSettings& settings_;
  const Download& download_;
  Report report_;
  std::stop_token stop_;
  std::uint64_t max_bytes_;
  PartialFile file_;
};

}  // namespace

HttpFetcher::HttpFetcher(FetchSettings settings)
    : settings_(std::move(settings)), http_(std::make_unique<HttpClient>(settings_.http)) {}

void HttpFetcher::fetch(const std::vector<Download>& downloads, const Progress& progress,
                        std::stop_token stop) const {
  if (downloads.empty()) return;
  std::mutex mutex;
  TaskGroup group(stop);
  ThreadPool threads(std::min<unsigned>(settings_.parallel, static_cast<unsigned>(downloads.size())));
  group.for_each(threads, downloads.size(), [&](std::size_t i) {
    const auto& download = downloads[i];
    const auto report = [&](std::uint64_t done, std::uint64_t total) {
      const std::scoped_lock lock(mutex);
      if (progress) progress(download, done, total);
    };
    if (download.url.starts_with("file:"))
      copy_local(download, download.size.value_or(settings_.max_bytes), report, group.stop());
    else
      Fetch(*http_, settings_, download, report, group.stop()).run();
    const std::scoped_lock lock(mutex);
    if (download.completed) download.completed();
  });
}

}  // namespace dash::registry
