// Making repositories have blobs, each moved to a registry once however many repositories want it.
#pragma once

#include "base/event.hpp"
#include "registry/blob_places.hpp"
#include "registry/registry_client.hpp"
#include "registry/upload.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace dash::registry {

struct PlacedBlob {
  enum class How { there, mounted, uploaded } how = How::there;
  UploadResult upload;
};

// Remembers for its lifetime which repositories have which blobs. Thread-safe for different blobs; one blob
// is placed by one thread at a time, or it may be sent twice.
class BlobPlacer {
 public:
  // `places`: what earlier runs saw, and later ones will know.
  BlobPlacer(EventSink& events, std::string step, BlobPlaces places)
      : events_(events), step_(std::move(step)), places_(std::move(places)) {}

  using Open = std::function<std::unique_ptr<BlobSource>()>;
  // Makes the repository of `to` have `blob`: it may be there; else it is mounted from where the registry is
  // known to have it, or may have it (`candidates`, repositories); else what `open` gives is uploaded.
  // Failures as RegistryClient's, and those of `open`.
  PlacedBlob place(RegistryClient& to, const oci::Descriptor& blob, const Open& open,
                   const std::vector<std::string>& candidates = {});

  // `repository` of `registry` has it, as the caller knows from elsewhere.
  void note(const std::string& registry, const std::string& repository, const oci::Digest& blob);

 private:
  std::string likely_place(const RegistryClient& to, const oci::Descriptor& blob,
                           const std::vector<std::string>& candidates) const;
  std::set<std::string> repositories_with(const std::string& registry, const oci::Digest& blob) const;

  EventSink& events_;
  std::string step_;
  BlobPlaces places_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, oci::Digest>, std::set<std::string>> known_;
};

}  // namespace dash::registry
