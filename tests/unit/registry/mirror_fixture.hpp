// Images of many kinds in one registry, and lists that bring them to another.
#pragma once

#include "base/text.hpp"
#include "registry/mirror/mirror_sync.hpp"
#include "tests/unit/registry/fake_fixture.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace dash::testing {

inline constexpr auto kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr auto kManifest = "application/vnd.oci.image.manifest.v1+json";

// The fixture's server is the source.
struct Mirrors : FakeFixture {
  FakeRegistry target;

  Mirrors() { settings.retry.retries = 0; }

  // An image of one layer; others for other seeds.
  std::string image(const std::string& repository, const std::string& reference, unsigned seed,
                    const std::string& architecture = "amd64", const std::string& more = {}) {
    const auto layer = noise(1000, seed);
    const auto config = concat(R"({"architecture":")", architecture, R"(","os":"linux"})");
    server.add_blob(repository, layer);
    server.add_blob(repository, config);
    const auto descriptor = [](const std::string& type, const std::string& bytes) {
      return concat(R"({"mediaType":")", type, R"(","digest":")", oci::Digest::of(bytes).to_string(),
                    R"(","size":)", bytes.size(), '}');
    };
    const auto bytes =
        concat(R"({"schemaVersion":2,"config":)", descriptor(std::string(oci::media_type::kConfig), config),
               R"(,"layers":[)", descriptor(std::string(oci::media_type::kLayerGzip), layer), ']', more, '}');
    const auto digest = oci::Digest::of(bytes).to_string();
    server.add_manifest(repository, digest, bytes, kManifest);
    if (!reference.empty()) server.add_manifest(repository, reference, bytes, kManifest);
    return digest;
  }
  std::string entry(const std::string& repository, const std::string& digest, const std::string& more) const {
    return concat(R"({"mediaType":")", kManifest, R"(","digest":")", digest, R"(","size":)",
                  server.manifest(repository, digest)->size(), more, '}');
  }
  static std::string on(const std::string& architecture, const std::string& variant = {}) {
    return concat(R"(,"platform":{"architecture":")", architecture, R"(","os":"linux")",
                  variant.empty() ? "" : concat(R"(,"variant":")", variant, '"'), '}');
  }
  std::string index(const std::string& repository, const std::string& tag,
                    const std::vector<std::string>& entries) {
    const auto bytes = concat(R"({"schemaVersion":2,"mediaType":")", kIndex, R"(","manifests":[)",
                              join(entries, ","), R"(],"annotations":{"a":"b"},"x-unknown":[1.5]})");
    const auto digest = oci::Digest::of(bytes).to_string();
    server.add_manifest(repository, digest, bytes, kIndex);
    server.add_manifest(repository, tag, bytes, kIndex);
    return digest;
  }
  // amd64, arm64 and arm/v7 with an attestation each for the first two.
  struct Multi {
    std::string root;
    std::string amd64;
    std::string arm64;
    std::string attestation;
  };
  Multi multi(const std::string& repository, const std::string& tag) {
    Multi out;
    out.amd64 = image(repository, {}, 1, "amd64");
    out.arm64 = image(repository, {}, 2, "arm64");
    const auto arm = image(repository, {}, 3, "arm");
    out.attestation = image(repository, {}, 4, "unknown");
    const auto about = [](const std::string& digest) {
      return concat(R"(,"annotations":{"vnd.docker.reference.digest":")", digest, R"("})", on("unknown"));
    };
    out.root =
        index(repository, tag,
              {entry(repository, out.amd64, on("amd64")), entry(repository, out.arm64, on("arm64")),
               entry(repository, arm, on("arm", "v7")), entry(repository, out.attestation, about(out.amd64)),
               entry(repository, image(repository, {}, 5, "unknown"), about(arm))});
    return out;
  }
  // What refers to `subject`.
  std::string referrer(const std::string& repository, const std::string& subject, unsigned seed) {
    return image(repository, {}, seed, "unknown",
                 concat(R"(,"artifactType":"text/x","subject":{"mediaType":")", kManifest, R"(","digest":")",
                        subject, R"(","size":)", server.manifest(repository, subject)->size(), '}'));
  }

  registry::MirrorList list(const std::string& images, const std::string& head = {}) const {
    auto text = concat(head, "destination = \"", target.address(), "/m/{repository}\"\n", images);
    for (auto at = text.find("SRC"); at != std::string::npos; at = text.find("SRC"))
      text.replace(at, 3, server.address());
    for (auto at = text.find("DST"); at != std::string::npos; at = text.find("DST"))
      text.replace(at, 3, target.address());
    return registry::MirrorList::parse(text, "m.toml");
  }
  registry::SyncReport sync(const registry::MirrorList& what, registry::SyncOptions options = {}) {
    registry::RegistrySession session(settings);
    return registry::sync_mirror(session, what, events, {}, options);
  }
  std::vector<std::string> brief(const registry::SyncReport& report) const {
    std::vector<std::string> out;
    for (const auto& image : report.images) {
      const auto outcome = image.outcome == registry::SyncedImage::Outcome::present  ? "present "
                           : image.outcome == registry::SyncedImage::Outcome::copied ? "copied "
                                                                                     : "failed ";
      out.push_back(outcome + (image.destination ? image.destination->to_string() : "?")
                                  .substr(std::min<std::size_t>(target.address().size() + 1, 100)));
    }
    return out;
  }
  std::vector<std::string> pruned(const registry::SyncReport& report) const {
    std::vector<std::string> out;
    for (const auto& tag : report.pruned) out.push_back(tag.tag.repository + ':' + tag.tag.tag);
    return out;
  }
};

}  // namespace dash::testing
