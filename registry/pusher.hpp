// Whole images to registries: from a content store, or straight from another registry.
#pragma once

#include "base/event.hpp"
#include "registry/image_source.hpp"
#include "registry/registry_session.hpp"

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

struct PushOptions {
  // Repositories of the destination registry that probably have the blobs, to mount them from.
  std::vector<std::string> mount_from;
  std::string step = "push";  // name in events
};

struct PushReport {
  oci::Descriptor image{{}, oci::Digest(Sha256{}), 0, {}, std::nullopt};
  // `present`: the destination pointed to this image already, and nothing else was asked.
  enum class Outcome { present, pushed } outcome = Outcome::present;
  unsigned uploaded = 0;  // blobs
  unsigned mounted = 0;
  unsigned there = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_resumed = 0;  // that an earlier run had sent
};

class BlobLedger;

// Remembers for its lifetime which blobs a registry has, and where, so that a blob that many images share is
// sent once and mounted otherwise. `push` may be called from several threads at once, but not from a task of
// RegistrySession::transfers(). The session must outlive it.
class Pusher {
 public:
  Pusher(RegistrySession& session, EventSink& events, std::stop_token stop);
  ~Pusher();
  Pusher(const Pusher&) = delete;
  Pusher& operator=(const Pusher&) = delete;

  // Makes `to` (a tag, or nothing but the digest) the image, index or artifact `image` of `from`: blobs
  // first, then manifests, then the root, so that a tag never points to something incomplete. Foreign layers
  // stay where they are. Documents are passed on byte by byte. Failures as RegistryClient's; what was sent
  // stays.
  PushReport push(ImageSource& from, const oci::Descriptor& image, const oci::Reference& to,
                  const PushOptions& options = {});

 private:
  RegistrySession& session_;
  EventSink& events_;
  std::stop_token stop_;
  std::unique_ptr<BlobLedger> ledger_;
};

}  // namespace dash::registry
