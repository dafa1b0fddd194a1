// The downloader against a loopback server that misbehaves as its URL asks.
#include "registry/http_fetcher.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "tests/support/tools.hpp"

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;

namespace {

// /ok/N: N bytes. /flaky/N: 503 first, then like ok. /drop/N: closes half way once, then honours Range.
// /norange/N: closes half way once, then ignores Range. /status/S: that status. /auth: needs user:pw. Ends by
// itself.
constexpr const char* kServer = R"(
import base64, http.server, sys, threading
seen = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_GET(self):
        kind, _, argument = self.path[1:].partition("/")
        seen[self.path] = count = seen.get(self.path, 0) + 1
        if kind == "count":
            body = str(seen.get("/" + argument, 0)).encode()
            self.send_response(200)
        elif kind == "status" or (kind == "flaky" and count == 1):
            self.send_response(503 if kind == "flaky" else int(argument))
            if kind == "flaky": self.send_header("Retry-After", "0")
            body = b"error"
        elif kind == "auth" and self.headers.get("Authorization") != "Basic " + base64.b64encode(b"user:pw").decode():
            self.send_response(401)
            body = b"who are you"
        else:
            body = bytes(i % 251 for i in range(int(argument or 10)))
            start = self.headers.get("Range")
            if start and kind != "norange":
                offset = int(start[6:].rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", "bytes %d-%d/%d" % (offset, len(body) - 1, len(body)))
                body = body[offset:]
            else:
                self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind in ("drop", "norange") and count == 1:
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Timer(100, server.shutdown).start()
server.serve_forever()
)";

class Server {
 public:
  Server() {
    thread_ = std::jthread([this](std::stop_token stop) {
      ProcessOptions options;
      options.argv = {"/usr/bin/python3", "-c", kServer};
      options.environment = {"PATH=/usr/bin"};
      options.on_stdout = [this](std::string_view line) {
        port_ = static_cast<int>(parse_uint(line).value_or(0));
        port_.notify_all();
      };
      try {
        run_process(options, stop);
      } catch (const Error&) {
        // stopped, as meant
      }
    });
    port_.wait(0);
  }
  std::string url(const std::string& path) const { return concat("http://127.0.0.1:", port_.load(), path); }

 private:
  std::atomic<int> port_ = 0;
  std::jthread thread_;
};

std::string body(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(i % 251);
  return out;
}

struct Fixture {
  Server server;
  TempDirectory directory = dash::testing::make_temp_directory();
  FetchSettings settings;

  Fixture() {
    settings.retry.base = std::chrono::milliseconds(5);
    settings.retry.retries = 2;
  }
  Download download(const std::string& path, std::size_t size) const {
    return {server.url(path), directory.path() / "file", sha256(body(size)), size, "file"};
  }
  std::optional<Error> fetch(const std::vector<Download>& downloads,
                             const HttpFetcher::Progress& progress = {}) const {
    try {
      HttpFetcher(settings).fetch(downloads, progress, {});
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }
  std::string content() const { return read_file(directory.path() / "file"); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()));
  }
};

}  // namespace

TEST_CASE("fetch: whole files, retried, resumed") {
  const Fixture fixture;
  for (const auto* path : {"/ok/", "/flaky/", "/drop/", "/norange/"}) {
    INFO(path);
    fs::remove(fixture.directory.path() / "file");
    const auto error = fixture.fetch({fixture.download(concat(path, 300000), 300000)});
    INFO((error ? error->message() : ""));
    REQUIRE_FALSE(error);
    CHECK(fixture.content() == body(300000));
    CHECK(fixture.files() == 1);
  }
}

TEST_CASE("fetch: many at once, with progress") {
  const Fixture fixture;
  std::vector<Download> downloads;
  for (std::size_t i = 0; i < 40; ++i)
    downloads.push_back({fixture.server.url(concat("/ok/", 1000 + i)),
                         fixture.directory.path() / std::to_string(i), sha256(body(1000 + i)), 1000 + i,
                         std::to_string(i)});
  std::size_t complete = 0;
  REQUIRE_FALSE(fixture.fetch(downloads, [&](const Download& download, std::uint64_t done, std::uint64_t) {
    if (done == download.size) ++complete;
  }));
  CHECK(complete == 40);
  CHECK(fixture.files() == 40);
}

TEST_CASE("fetch: failures have a code, a name and no secrets") {
  const Fixture fixture;
  struct Case {
    const char* path;
    ErrorCode code;
    const char* end;
  };
  const Case cases[] = {{"/status/404", ErrorCode::not_found, "the server answered 404"},
                        {"/status/403", ErrorCode::denied, "the server answered 403"},
                        {"/status/500", ErrorCode::unavailable, "the server answered 500"}};
  for (const Case& c : cases) {
    const auto error = fixture.fetch({fixture.download(c.path, 10)});
    REQUIRE(error);
    CHECK(error->code() == c.code);
    CHECK(error->message() == concat("cannot download file from ", fixture.server.url(c.path), ": ", c.end));
    CHECK(fixture.files() == 0);
  }
  Download secret = fixture.download("/auth", 10);
  secret.url.insert(7, "user:wrong@");
  const auto denied = fixture.fetch({secret});
  REQUIRE(denied);
  CHECK(denied->code() == ErrorCode::denied);
  CHECK_FALSE(contains(denied->message(), "wrong"));
  secret = fixture.download("/auth", 10);
  secret.url.insert(7, "user:pw@");
  CHECK_FALSE(fixture.fetch({secret}));
}

TEST_CASE("fetch: 5xx is retried as often as allowed, 404 is not") {
  const Fixture fixture;
  CHECK(fixture.fetch({fixture.download("/status/500", 10)}));
  CHECK(fixture.fetch({fixture.download("/status/404", 10)}));
  for (const auto& [path, count] :
       {std::pair("/count/status/500", "3"), std::pair("/count/status/404", "1")}) {
    fs::remove(fixture.directory.path() / "file");
    REQUIRE_FALSE(
        fixture.fetch({{fixture.server.url(path), fixture.directory.path() / "file", {}, {}, "count"}}));
    CHECK(fixture.content() == count);
  }
}

TEST_CASE("fetch: a wrong file never appears") {
  const Fixture fixture;
  Download wrong = fixture.download("/ok/1000", 1000);
  wrong.sha256 = sha256("something else");
  auto error = fixture.fetch({wrong});
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::corrupt);
  CHECK(contains(error->message(), "its sha256 is "));
  CHECK(fixture.files() == 0);
  error = fixture.fetch({fixture.download("/ok/1001", 1000)});
  REQUIRE(error);
  CHECK(contains(error->message(), "it is larger than 1000 bytes"));
  error = fixture.fetch({fixture.download("/ok/999", 1000)});
  REQUIRE(error);
  CHECK(contains(error->message(), "it has 999 bytes instead of 1000"));
  CHECK_FALSE(fs::exists(fixture.directory.path() / "file"));
}

TEST_CASE("fetch: an earlier run's part is continued, a wrong one is not believed") {
  const Fixture fixture;
  const fs::path part = fixture.directory.path() / "file.part";
  write_file_atomic(part, body(600));
  REQUIRE_FALSE(fixture.fetch({fixture.download("/ok/1000", 1000)}));
  CHECK(fixture.content() == body(1000));
  CHECK_FALSE(fs::exists(part));
  fs::remove(fixture.directory.path() / "file");
  write_file_atomic(part, std::string(600, 'x'));
  CHECK(fixture.fetch({fixture.download("/ok/1000", 1000)}));
  CHECK_FALSE(fs::exists(part));
  REQUIRE_FALSE(fixture.fetch({fixture.download("/ok/1000", 1000)}));
}

TEST_CASE("fetch: local files") {
  const Fixture fixture;
  write_file_atomic(fixture.directory.path() / "a b", "text");
  Download local{concat("file://", fixture.directory.path().string(), "/a%20b"),
                 fixture.directory.path() / "file", sha256("text"), 4, "a b"};
  REQUIRE_FALSE(fixture.fetch({local}));
  CHECK(fixture.content() == "text");
  local.url = "file://elsewhere.example/x";
  CHECK(fixture.fetch({local})->code() == ErrorCode::invalid_input);
  local.url = "file:///no/such/file";
  CHECK(fixture.fetch({local})->code() == ErrorCode::not_found);
}

TEST_CASE("fetch: nobody there, and canceled") {
  const Fixture fixture;
  Download download = fixture.download("/ok/10", 10);
  download.url = "http://127.0.0.1:9/x";
  const auto error = fixture.fetch({download});
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::unavailable);
  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_AS(HttpFetcher(fixture.settings).fetch({download}, {}, stop.get_token()), Error);
}
