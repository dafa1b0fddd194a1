// The client against a registry that misbehaves: what is sent, and what comes out.
#include "base/text.hpp"
#include "registry/bundle/registry_inventory.hpp"
#include "registry/list_pages.hpp"
#include "registry/registry_error.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <atomic>
#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <thread>

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

const std::string kManifest = std::string(oci::media_type::kManifest);
const std::string kDocument =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"a","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]})";

FakeAnswer answer(int status, std::vector<std::pair<std::string, std::string>> headers = {},
                  std::string body = {}) {
  FakeAnswer out;
  out.status = status;
  out.headers = std::move(headers);
  out.body = std::move(body);
  return out;
}

// Gives `first` to the first `times` requests with `method` for a path with `part`.
dash::testing::FakeRegistry::Hook at_first(std::string method, std::string part, FakeAnswer first,
                                           int times = 1) {
  auto left = std::make_shared<std::atomic<int>>(times);
  return [=](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.method != method || !contains(request.target, part) || (*left)-- <= 0) return std::nullopt;
    return first;
  };
}

std::string read_whole(Source& source) {
  return read_all(source, std::uint64_t{1} << 30, "test");
}

}  // namespace

TEST_CASE("client: manifests by tag and digest") {
  FakeFixture f;
  const auto digest = f.server.add_manifest("team/app", "1", kDocument, kManifest);
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(client.resolve("1")->digest.to_string() == digest);
  CHECK(client.manifest("1").bytes == kDocument);
  CHECK(client.manifest(digest).descriptor.media_type == kManifest);
  CHECK_FALSE(client.resolve("2"));
  CHECK(f.server.lines() ==
        std::vector<std::string>{"HEAD /v2/team/app/manifests/1", "GET /v2/team/app/manifests/1",
                                 "GET /v2/team/app/manifests/" + digest, "HEAD /v2/team/app/manifests/2"});
  CHECK(error_of([&] { client.manifest("2"); }) ==
        concat("not_found: GET http://", f.server.address(),
               "/v2/team/app/manifests/2: 404 MANIFEST_UNKNOWN: manifest "
               "unknown | 'dash-build tags ",
               f.server.address(), "/team/app' lists what is there"));
  CHECK(client.delete_manifest("1"));
  CHECK_FALSE(client.delete_manifest("1"));
}

TEST_CASE("client: what HEAD does not say, GET does") {
  struct Case {
    const char* what;
    FakeAnswer head;
  };
  const Case cases[] = {
      {"HEAD unsupported", answer(405)},
      {"no Docker-Content-Digest", answer(200, {{"Content-Type", kManifest}}, kDocument)},
      {"no Content-Type",
       answer(200, {{"Docker-Content-Digest", oci::Digest::of(kDocument).to_string()}}, kDocument)}};
  for (const auto& c : cases) {
    INFO(c.what);
    FakeFixture f;
    const auto digest = f.server.add_manifest("team/app", "1", kDocument, kManifest);
    f.server.set_hook(at_first("HEAD", "/manifests/", c.head));
    RegistrySession session(f.settings);
    CHECK(RegistryClient(session, f.name(), {}).resolve("1")->digest.to_string() == digest);
    CHECK(f.server.count("GET", "/manifests/1") == 1);
  }
}

TEST_CASE("client: manifests that are refused") {
  FakeFixture f;
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  const auto where = concat("GET ", f.server.url("/v2/team/app/manifests/1"));
  f.server.add_manifest("team/app", "1", std::string((4U << 20U) + 1, ' '), kManifest);
  CHECK(error_of([&] { client.manifest("1"); }) ==
        concat("unsupported: ", where,
               ": the manifest is larger than 4.2 MB, which no registry has to accept | split the "
               "index, or move annotations and embedded data into blobs"));
  f.server.set_hook([&](const FakeRequest&) {
    return answer(200,
                  {{"Content-Type", kManifest}, {"Docker-Content-Digest", "sha256:" + std::string(64, '0')}},
                  "{}");
  });
  CHECK(error_of([&] { client.manifest("1"); }) ==
        concat("corrupt: ", where, ": the manifest does not match its digest: expected sha256:",
               std::string(64, '0'), ", found ", oci::Digest::of("{}").to_string(), " | "));
  f.server.set_hook([&](const FakeRequest&) {
    auto out = answer(200, {{"Content-Type", kManifest}}, std::string(std::size_t{5} << 20U, ' '));
    out.length = FakeAnswer::Length::left_out;
    return out;
  });
  CHECK(contains(error_of([&] { client.manifest("1"); }), "the manifest is larger than 4.2 MB"));
}

TEST_CASE("client: answers that mean 'later' are tried again") {
  for (const int status : {429, 500, 502, 503, 504, 408}) {
    INFO(status);
    FakeFixture f;
    f.server.add_manifest("team/app", "1", kDocument, kManifest);
    f.server.set_hook(at_first("GET", "/manifests/", answer(status), 2));
    RegistrySession session(f.settings);
    CHECK(RegistryClient(session, f.name(), {}).manifest("1").bytes == kDocument);
    CHECK(f.server.count("GET", "/manifests/1") == 3);
  }
  FakeFixture f;
  f.server.set_hook(at_first("GET", "/manifests/", answer(503), 100));
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(error_of([&] { client.manifest("1"); }) ==
        concat("unavailable: GET ", f.server.url("/v2/team/app/manifests/1"),
               ": 503 | the registry has a problem; try again later"));
  CHECK(f.server.count("GET", "/manifests/1") == 4);
}

TEST_CASE("client: Retry-After is the least that is waited, in both forms") {
  for (const bool as_date : {false, true}) {
    FakeFixture f;
    f.server.add_manifest("team/app", "1", kDocument, kManifest);
    std::string value = "1";
    if (as_date) {
      const auto then = std::time(nullptr) + 2;
      char text[64];
      std::tm parts{};
      gmtime_r(&then, &parts);
      std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
      value = text;
    }
    f.server.set_hook(at_first("GET", "/manifests/", answer(429, {{"Retry-After", value}})));
    RegistrySession session(f.settings);
    const auto start = std::chrono::steady_clock::now();
    CHECK(RegistryClient(session, f.name(), {}).manifest("1").bytes == kDocument);
    CHECK(std::chrono::steady_clock::now() - start > std::chrono::milliseconds(950));
  }
  FakeFixture f;
  f.server.set_hook(at_first("GET", "/manifests/", answer(429, {{"Retry-After", "86400"}}), 10));
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(contains(error_of([&] { client.manifest("1"); }),
                 ": 429 | the registry limits how much may be asked of it"));
  CHECK(f.server.count("GET", "/manifests/1") == 1);
}

TEST_CASE("client: a blob's connection breaks, and its rest is fetched") {
  FakeFixture f;
  const auto bytes = noise(700'000);
  f.server.add_blob("team/app", bytes);
  auto broken = answer(200, {}, bytes);
  broken.drop_after = 300'000;
  f.server.set_hook(at_first("GET", "/blobs/", broken));
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(read_whole(*client.blob(describe(bytes))) == bytes);
  const auto requests = f.server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[1].header("range") == "bytes=300000-");
}

TEST_CASE("client: a registry without ranges gives the blob from the start again") {
  FakeFixture f;
  const auto bytes = noise(700'000);
  auto broken = answer(200, {}, bytes);
  broken.drop_after = 300'000;
  auto calls = std::make_shared<std::atomic<int>>(0);
  f.server.set_hook([=](const FakeRequest&) { return (*calls)++ == 0 ? broken : answer(200, {}, bytes); });
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(read_whole(*client.blob(describe(bytes))) == bytes);
}

TEST_CASE("client: blobs that are not what they should be") {
  const auto bytes = noise(200'000);
  const auto wrong = noise(200'000, 2);
  const auto cases = std::vector<std::pair<FakeAnswer, std::string>>{
      {answer(200, {}, wrong), " does not match its digest: expected " + describe(bytes).digest.to_string()},
      {answer(200, {}, bytes + "x"), ": the blob has 200001 bytes instead of 200000"},
      {answer(200, {}, bytes.substr(1)), ": the blob has 199999 bytes instead of 200000"},
      {answer(404), ": 404"}};
  for (const auto& [bad, message] : cases) {
    INFO(message);
    FakeFixture f;
    f.server.set_hook([bad = bad](const FakeRequest&) { return bad; });
    RegistrySession session(f.settings);
    RegistryClient client(session, f.name(), {});
    CHECK(contains(error_of([&] { read_whole(*client.blob(describe(bytes))); }), message));
  }
  for (const auto* body : {"long", "short"}) {
    FakeFixture f;
    f.server.set_hook([=](const FakeRequest&) {
      auto out = answer(200, {}, std::string(body) == "long" ? bytes + "x" : bytes.substr(0, 1000));
      out.length = FakeAnswer::Length::left_out;
      return out;
    });
    RegistrySession session(f.settings);
    RegistryClient client(session, f.name(), {});
    CHECK(contains(error_of([&] { read_whole(*client.blob(describe(bytes))); }),
                   std::string(body) == "long" ? ": the blob is longer than 200000 bytes"
                                               : ": the blob ends after 1000 of 200000 bytes"));
  }
}

TEST_CASE("client: a slow drip is given up after the stall timeout") {
  FakeFixture f;
  f.settings.http.stall_timeout = std::chrono::seconds(1);
  f.settings.retry.retries = 0;
  const auto bytes = noise(200'000);
  f.server.set_hook([=](const FakeRequest&) {
    auto out = answer(200, {}, bytes);
    out.drip = 10;
    return out;
  });
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(contains(error_of([&] { read_whole(*client.blob(describe(bytes))); }), ": stalled: "));
}

TEST_CASE("client: tags over several pages") {
  FakeFixture f;
  for (const auto* tag : {"a", "b", "c", "d", "e"})
    f.server.add_manifest("team/app", tag, kDocument, kManifest);
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(client.tags() == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(f.server.count("GET", "/tags/list") == 3);
  CHECK(contains(error_of([&] { client.tags(3); }), "more than 3 tags"));
}

namespace {

struct ListPage {
  const char* name;
  std::string body;
  std::string link;  // of the second page to the next
  const char* message;
};

// The first page is empty and links to `row`.
FakeAnswer list_page(const FakeRequest& request, const ListPage& row) {
  FakeAnswer out;
  const bool first = !contains(request.target, "last=");
  out.body = first ? R"({"tags":[],"repositories":null})" : row.body;
  const auto link = first ? "?n=1000&last=0" : row.link;
  if (!link.empty()) out.headers.emplace_back("Link", concat('<', link, ">; rel=\"next\""));
  return out;
}

}  // namespace

TEST_CASE("client: pages of lists that are empty, and that are none") {
  const ListPage table[] = {
      {"the rest", R"({"tags":["a"],"repositories":["a"]})", "", ""},
      {"null", R"({"tags":null,"repositories":null})", "", ""},
      {"missing", R"({"name":"team/app"})", "", ": the answer is no list of "},
      {"numbers", R"({"tags":["a",1],"repositories":["a",1]})", "", ": the answer is no list of "},
      {"text", R"({"tags":"a","repositories":"a"})", "", ": the answer is no list of "},
      {"no JSON", "<html>", "", ": the answer is no list of "},
      {"a name without end",
       concat(R"({"tags":[")", std::string(2000, 'a'), R"("],"repositories":[")", std::string(2000, 'a'),
              R"("]})"),
       "", ": the answer is no list of "},
      {"itself", R"({"tags":[],"repositories":[]})", "?n=1000&last=0",
       ": the link to the next page leads back to one that was read"},
      {"the first", R"({"tags":["a"],"repositories":["a"]})", "?n=1000",
       ": the link to the next page leads back to one that was read"},
  };
  for (const auto& row : table) {
    INFO(row.name);
    FakeFixture f;
    f.server.set_hook([&](const FakeRequest& request) { return std::optional(list_page(request, row)); });
    RegistrySession session(f.settings);
    RegistryClient client(session, f.name(), {});
    const auto tags = [&] { return client.tags(); };
    const auto repositories = [&] { return list_repositories(session, f.server.address(), {}); };
    if (std::string(row.message).empty()) {
      const auto expected =
          contains(row.body, "\"a\"") ? std::vector<std::string>{"a"} : std::vector<std::string>();
      CHECK(tags() == expected);
      CHECK(repositories() == expected);
    } else {
      CHECK(contains(error_of(tags), row.message));
      CHECK(contains(error_of(repositories), row.message));
    }
  }
}

TEST_CASE("client: lists that never end") {
  FakeFixture f;
  int count = 0;
  f.server.set_hook([&](const FakeRequest&) -> std::optional<FakeAnswer> {
    return answer(200, {{"Link", concat("<?last=", ++count, ">; rel=\"next\"")}}, R"({"tags":[]})");
  });
  RegistrySession session(f.settings);
  EndpointClient client(session, session.hosts().endpoints(f.server.address(), "team/app").back(), {});
  ListPages pages(5);
  Call call;
  call.path = "/tags/list";
  CHECK(contains(error_of([&] {
                   do {
                     auto reply = client.send(call);
                     call.url = pages.next(reply);
                   } while (call.url);
                 }),
                 ": the list has more than 5 pages"));
  CHECK(count == 5);
}

TEST_CASE("client: several challenges, tokens that are renewed") {
  FakeFixture f;
  f.server.require_token(std::chrono::seconds(60), "sam:secret");
  f.server.add_manifest("team/app", "1", kDocument, kManifest);
  f.settings.credentials.given[f.server.address()] = {"sam", "secret", "", "", "the test"};
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(client.manifest("1").bytes == kDocument);
  CHECK(client.manifest("1").bytes == kDocument);
  CHECK(f.server.count("GET", "/token") == 1);
  const auto requests = f.server.requests();
  CHECK(requests[1].target == "/token?service=fake&scope=repository%3Ateam%2Fapp%3Apull&account=sam");
  f.settings.credentials.given[f.server.address()].password = "guess";
  RegistrySession wrong(f.settings);
  RegistryClient stranger(wrong, f.name(), {});
  CHECK(error_of([&] { stranger.manifest("1"); }) ==
        concat("denied: the token server ", f.server.url("/token"),
               " refused the credentials from the test for ", f.server.address(),
               " (401) | log in again with 'dash-build login ", f.server.address(), "'"));
}

TEST_CASE("client: a token is renewed before it runs out, and when the server says so") {
  for (const int announced : {1, 3600}) {
    FakeFixture f;
    f.server.require_token(std::chrono::seconds(1));
    f.server.add_manifest("team/app", "1", kDocument, kManifest);
    f.server.announce_token_life(std::chrono::seconds(announced));
    RegistrySession session(f.settings);
    RegistryClient client(session, f.name(), {});
    CHECK(client.manifest("1").bytes == kDocument);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    CHECK(client.manifest("1").bytes == kDocument);
    CHECK(f.server.count("GET", "/token") >= 2);
  }
}

TEST_CASE("client: a token server that is slow about one repository does not keep the others") {
  FakeFixture f;
  f.server.require_token(std::chrono::seconds(60));
  f.server.add_manifest("team/app", "1", kDocument, kManifest);
  f.server.add_manifest("team/slow", "1", kDocument, kManifest);
  std::promise<void> asked;
  std::promise<void> go_on;
  const auto may_go_on = go_on.get_future().share();
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (!request.target.starts_with("/token") || !contains(request.target, "slow")) return std::nullopt;
    asked.set_value();
    may_go_on.wait_for(std::chrono::seconds(20));
    return std::nullopt;
  });
  RegistrySession session(f.settings);
  RegistryClient slow(session, f.name("team/slow"), {});
  std::atomic<bool> done = false;
  std::jthread waits([&] {
    slow.manifest("1");
    done = true;
  });
  asked.get_future().wait();
  RegistryClient quick(session, f.name("team/app"), {});
  CHECK(quick.manifest("1").bytes == kDocument);  // is challenged, and learns from that
  CHECK_FALSE(done);
  go_on.set_value();
}

TEST_CASE("client: credentials stay with their host") {
  FakeFixture f;
  dash::testing::FakeRegistry other;
  const auto bytes = noise(1000);
  f.server.set_hook([&](const FakeRequest& request) -> std::optional<FakeAnswer> {
    if (request.header("authorization").empty()) return answer(401, {{"WWW-Authenticate", "Basic realm=x"}});
    if (contains(request.target, "/blobs/"))
      return answer(307, {{"Location", other.url("/elsewhere?signature=s")}});
    return std::nullopt;
  });
  other.set_hook([&](const FakeRequest&) { return answer(200, {}, bytes); });
  f.settings.credentials.given[f.server.address()] = {"sam", "secret", "", "", "the test"};
  RegistrySession session(f.settings);
  RegistryClient client(session, f.name(), {});
  CHECK(read_whole(*client.blob(describe(bytes))) == bytes);
  REQUIRE(other.requests().size() == 1);
  CHECK(other.requests()[0].header("authorization").empty());
  CHECK(other.requests()[0].target == "/elsewhere?signature=s");
}

TEST_CASE("client: nobody there") {
  FakeFixture f;
  f.settings.retry.retries = 1;
  RegistrySession session(f.settings);
  RegistryClient client(session, oci::Reference::parse("127.0.0.1:9/a"), {});
  const auto error = dash::testing::thrown_by([&] { client.resolve("1"); });
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::unavailable);
  CHECK(contains(error->message(),
                 "HEAD https://127.0.0.1:9/v2/a/manifests/1: Failed to connect to 127.0.0.1 port 9"));
  CHECK(error->hint() == "check the name, the network and the proxy settings");
  CHECK(error_of([&] { RegistryClient(session, oci::Reference::parse("app"), {}); }) ==
        "usage: 'app' names no registry | write it in full: REGISTRY/app");
}

TEST_CASE("client: a name that has no address is tried twice") {
  FakeFixture f;
  f.settings.retry.retries = 1000;
  RegistrySession session(f.settings);
  RegistryClient client(session, oci::Reference::parse("no-such-host.invalid/a"), {});
  CHECK(contains(error_of([&] { client.resolve("1"); }),
                 "unavailable: HEAD https://no-such-host.invalid/v2/a/"));
}
