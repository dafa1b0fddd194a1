// Whole images to registries: from a content store, or straight from another registry, one or a whole set.
#pragma once

#include "base/event.hpp"
#include "registry/blob_placer.hpp"
#include "registry/image_source.hpp"
#include "registry/registry_session.hpp"

#include <cstdint>
#include <exception>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

struct PushOptions {
  // Repositories of the destination registry that probably have the blobs, to mount them from.
  std::vector<std::string> mount_from;
  // What becomes of the other images of a set when one fails.
  enum class OnFailure { stop, go_on } on_failure = OnFailure::stop;
};

struct PushReport {
  oci::Descriptor image{{}, oci::Digest(Sha256{}), 0, {}, std::nullopt};
  // `present`: the destination pointed to this image already, and nothing else was asked.
  enum class Outcome { present, pushed } outcome = Outcome::present;
  // Blobs; one that several images of a set share counts as sent for the first of them.
  unsigned uploaded = 0;
  unsigned mounted = 0;
  unsigned there = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_resumed = 0;  // that an earlier run had sent
};

// One image of a set: `image` of `from` (which must outlive the call) is to become `to`, a tag or nothing but
// the digest.
struct PushItem {
  ImageSource* from = nullptr;
  oci::Descriptor image;
  oci::Reference to;
};

struct PushOutcome {
  PushReport report;
  std::exception_ptr failure;  // an Error; the report is then of what was done before
};

// Remembers for its lifetime which blobs a registry has, and where. One call at a time, and not from a task
// of RegistrySession::transfers(). The session must outlive it.
class Pusher {
 public:
  // `step` is the name in events.
  Pusher(RegistrySession& session, EventSink& events, std::stop_token stop, const std::string& step = "push");

  // Makes `to` the image, index or artifact `image` of `from`: blobs first, then manifests, then the root, so
  // that a tag never points to something incomplete. Foreign layers stay where they are. Documents are passed
  // on byte by byte. Failures as RegistryClient's; what was sent stays.
  PushReport push(ImageSource& from, const oci::Descriptor& image, const oci::Reference& to,
                  const PushOptions& options = {});

  // The same for many: each blob of the set is read and sent once, the largest first, and mounted wherever
  // else it is wanted. One outcome per item, in their order. The first failure is thrown, or with
  // OnFailure::go_on kept with its item; then only being stopped throws.
  std::vector<PushOutcome> push_all(std::span<const PushItem> items, const PushOptions& options = {});

  // What the registries are known to have; to place single blobs ahead of their images.
  BlobPlacer& blobs() { return blobs_; }

 private:
  RegistrySession& session_;
  std::stop_token stop_;
  BlobPlacer blobs_;
};

}  // namespace dash::registry
