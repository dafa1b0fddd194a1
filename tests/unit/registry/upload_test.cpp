// Uploads against a registry that misbehaves: chunks, sessions that are continued or lost, mounts.
#include "registry/upload.hpp"

#include "base/text.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <boost/filesystem/directory.hpp>
#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::registry;
using dash::testing::describe;
using dash::testing::error_of;
using dash::testing::FakeAnswer;
using dash::testing::FakeFixture;
using dash::testing::FakeRequest;
using dash::testing::noise;

namespace {

struct Upload : FakeFixture {
  dash::testing::MemoryStore store;
  std::string bytes = noise(450'000);
  oci::Descriptor blob = store.put(bytes, oci::media_type::kLayerGzip);

  UploadResult run() {
    RegistrySession session(settings);
    RegistryClient client(session, name(), {});
    const auto source = open_stored(store, blob);
    return upload_blob(client, blob, *source, {});
  }
  bool arrived() const { return server.blob("team/app", blob.digest.to_string()) == bytes; }
  // An answer in place of the registry's, for the first `times` requests of a method.
  void answer_first(const std::string& method, int status,
                    std::vector<std::pair<std::string, std::string>> headers = {}, int times = 1) {
    auto left = std::make_shared<std::atomic<int>>(times);
    server.set_hook([=](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (request.method != method || (*left)-- <= 0) return std::nullopt;
      FakeAnswer out;
      out.status = status;
      out.headers = headers;
      return out;
    });
  }
};

}  // namespace

TEST_CASE("upload: chunks of the given size, then the digest") {
  Upload f;
  CHECK(f.run().sent == 450'000);
  CHECK(f.arrived());
  std::vector<std::string> ranges;
  for (const auto& request : f.server.requests())
    if (request.method == "PATCH") ranges.push_back(request.header("content-range"));
  CHECK(ranges == std::vector<std::string>{"0-99999", "100000-199999", "200000-299999", "300000-399999",
                                           "400000-449999"});
  const auto last = f.server.requests().back();
  CHECK(last.method == "PUT");
  CHECK(last.target == concat("/v2/team/app/blobs/uploads/1?step=450000&digest=",
                              percent_encode(f.blob.digest.to_string())));
  CHECK(std::distance(fs::directory_iterator(f.directory.path() / "state" / "uploads"),
                      fs::directory_iterator()) == 0);
}

TEST_CASE("upload: chunks grow while the registry is quick") {
  Upload f;
  f.settings.chunk_size = 50'000;
  f.settings.largest_chunk = 200'000;
  CHECK(f.run().sent == 450'000);
  CHECK(f.arrived());
  std::vector<std::string> ranges;
  for (const auto& request : f.server.requests())
    if (request.method == "PATCH") ranges.push_back(request.header("content-range"));
  CHECK(ranges == std::vector<std::string>{"0-49999", "50000-149999", "150000-349999", "350000-449999"});
}

TEST_CASE("upload: a small blob takes two requests") {
  Upload f;
  f.settings.chunk_size = 1'000'000;
  CHECK(f.run().sent == 450'000);
  CHECK(f.arrived());
  CHECK(f.server.requests().size() == 2);
}

TEST_CASE("upload: larger chunks when the registry asks for them") {
  Upload f;
  f.answer_first("POST", 202,
                 {{"Location", "/v2/team/app/blobs/uploads/0"}, {"OCI-Chunk-Min-Length", "200000"}});
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  const auto source = open_stored(f.store, f.blob);
  // The session is not the registry's: it is lost with the first chunk, and the next one has no such wish.
  CHECK(upload_blob(client, f.blob, *source, {}).sent == 650'000);
  CHECK(f.arrived());
  for (const auto& request : f.server.requests()) {
    if (request.method != "PATCH") continue;
    CHECK(request.header("content-range") == "0-199999");
    break;
  }
}

TEST_CASE("upload: a connection breaks in a chunk; the registry is asked what it has") {
  Upload f;
  f.server.break_uploads_after(30'000, 2);
  f.run();
  CHECK(f.arrived());
  CHECK(f.server.upload_bytes() == 450'000);
  CHECK(f.server.count("GET", "/blobs/uploads/1") == 2);
}

TEST_CASE("upload: a later run continues what an earlier one began") {
  Upload f;
  f.settings.retry.retries = 0;
  f.server.break_uploads_after(30'000, 1);
  CHECK(contains(error_of([&] { f.run(); }), "unavailable: PATCH "));
  f.settings.retry.retries = 3;
  const auto result = f.run();
  CHECK(result.resumed == 30'000);
  CHECK(f.arrived());
  CHECK(f.server.upload_bytes() == 450'000);
  CHECK(f.server.count("POST", "/blobs/uploads/") == 1);
}

TEST_CASE("upload: a session that is gone is begun anew") {
  for (const char* when : {"in this run", "between runs"}) {
    INFO(when);
    Upload f;
    if (std::string(when) == "in this run") {
      f.answer_first("PATCH", 404);
    } else {
      f.settings.retry.retries = 0;
      f.server.break_uploads_after(30'000, 1);
      CHECK(contains(error_of([&] { f.run(); }), "unavailable: PATCH "));
      f.settings.retry.retries = 3;
      f.answer_first("GET", 404);
    }
    CHECK(f.run().resumed == 0);
    CHECK(f.arrived());
    CHECK(f.server.count("POST", "/blobs/uploads/") == 2);
  }
}

TEST_CASE("upload: one piece where chunks are not supported") {
  Upload f;
  f.answer_first("PATCH", 405, {}, 100);
  f.run();
  CHECK(f.arrived());
  CHECK(f.server.count("PATCH", "") == 1);
  CHECK(f.server.requests().back().body.size() == 450'000);
}

TEST_CASE("upload: answers that mean 'later'") {
  for (const int status : {429, 500, 502, 503}) {
    INFO(status);
    Upload f;
    f.answer_first("PATCH", status, {{"Retry-After", "0"}}, 2);
    f.run();
    CHECK(f.arrived());
  }
}

TEST_CASE("upload: where the Location leads") {
  {
    Upload f;
    f.answer_first("POST", 202);
    CHECK(error_of([&] { f.run(); }) == concat("corrupt: POST ", f.server.url("/v2/team/app/blobs/uploads/"),
                                               ": the answer 202 has no Location | the server, or a proxy "
                                               "before it, breaks the protocol"));
  }
  Upload f;  // elsewhere: the upload goes there, the credentials do not
  dash::testing::FakeRegistry other;
  f.settings.chunk_size = 1'000'000;
  f.settings.credentials.given[f.server.address()] = {"sam", "secret", "", "", "the test"};
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    FakeAnswer out;
    out.status = request.header("authorization").empty() ? 401 : 202;
    out.headers = {{"WWW-Authenticate", "Basic realm=x"}, {"Location", other.url("/put/here?token=1")}};
    return out;
  });
  other.set_hook([](const FakeRequest&) {
    FakeAnswer out;
    out.status = 201;
    return out;
  });
  f.run();
  REQUIRE(other.requests().size() == 1);
  CHECK(other.requests()[0].header("authorization").empty());
  CHECK(other.requests()[0].body == f.bytes);
}

TEST_CASE("upload: tokens that live for a second") {
  Upload f;
  f.server.require_token(std::chrono::milliseconds(1000));
  f.server.set_hook([](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method == "PATCH") std::this_thread::sleep_for(std::chrono::milliseconds(400));
    return std::nullopt;
  });
  f.run();
  CHECK(f.arrived());
  CHECK(f.server.count("GET", "/token") >= 2);
}

TEST_CASE("upload: what is damaged here does not arrive there") {
  Upload f;
  f.store.damage(f.blob.digest, noise(450'000, 2));
  CHECK(contains(error_of([&] { f.run(); }), "corrupt: blob "));
  CHECK_FALSE(f.server.blob("team/app", f.blob.digest.to_string()));
}

TEST_CASE("upload: the answer to the last request is lost") {
  struct {
    const char* name;
    std::uint64_t chunk;
    bool arrived;  // before the connection broke
  } const table[] = {{"chunks, arrived", 100'000, true},
                     {"chunks, not arrived", 100'000, false},
                     {"one piece, arrived", 1'000'000, true},
                     {"one piece, not arrived", 1'000'000, false}};
  for (const auto& row : table) {
    INFO(row.name);
    Upload f;
    f.settings.chunk_size = row.chunk;
    std::atomic<int> puts = 0;
    f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
      if (request.method != "PUT") return std::nullopt;
      FakeAnswer out;
      if (puts++ == 0) {
        if (row.arrived) f.server.add_blob("team/app", f.bytes);
        out.head = FakeAnswer::Head::left_out;
      } else if (row.arrived) {  // libcurl may try again by itself
        out.status = 404;
        out.body = R"({"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]})";
      } else {
        return std::nullopt;
      }
      return out;
    });
    f.run();
    CHECK(f.arrived());
    if (!row.arrived) continue;
    CHECK(f.server.count("HEAD", "/blobs/" + f.blob.digest.to_string()) == 1);
    CHECK(f.server.count("POST", "") == 1);
  }
}
