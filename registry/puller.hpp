// Whole images from registries into an image layout.
#pragma once

#include "base/event.hpp"
#include "oci/image_layout.hpp"
#include "registry/registry_client.hpp"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

namespace dash::registry {

struct PullOptions {
  // Which image of an index to take; nothing: the index with all its images.
  std::optional<oci::Platform> platform;
  // What becomes of one image that is for another platform: Error(not_found) before its layers are fetched,
  // or it is taken.
  enum class OtherPlatform { take, refuse } other_platform = OtherPlatform::take;
  // The name (annotation org.opencontainers.image.ref.name) that the image gets in the layout; empty: none.
  std::string name;
  std::string step = "pull";  // name in events
};

struct PullReport {
  oci::Descriptor image{{}, oci::Digest(Sha256{}), 0, {}, std::nullopt};  // what has the name now
  unsigned fetched = 0;                                                   // blobs
  unsigned there = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_resumed = 0;  // that an earlier run had received
};

// Thread-safe, but not to be called from a task of RegistrySession::transfers(). The session must outlive it.
class Puller {
 public:
  Puller(RegistrySession& session, EventSink& events, std::stop_token stop)
      : session_(session), events_(events), stop_(std::move(stop)) {}

  // Fetches `from` (a tag or digest; "latest" when it has neither). What the layout has is not fetched again;
  // a blob that an interrupted run began is continued from <digest>.part. A blob becomes visible only when
  // its digest is right, a manifest only after its blobs, the name last. Failures as RegistryClient's;
  // Error(corrupt) when the registry's content is wrong, no_space when the disk is full.
  PullReport pull(const oci::Reference& from, oci::ImageLayout& to, const PullOptions& options = {});

 private:
  RegistrySession& session_;
  EventSink& events_;
  std::stop_token stop_;
};

}  // namespace dash::registry
