// Bundles into registries.
#pragma once

#include "base/event.hpp"
#include "registry/bundle/bundle_reader.hpp"
#include "registry/bundle/registry_place.hpp"
#include "registry/pusher.hpp"

#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dash::registry {

// Where the images of a bundle go. "registry.example/team/app" becomes "team/app" below the destination,
// unless a rule says otherwise.
class ImportTarget {
 public:
  // `destination` is "REGISTRY[/PREFIX]"; `rules` are "FROM=TO": names that are FROM or lie below it lie
  // below TO instead; the longest FROM wins. Throws Error(usage).
  ImportTarget(std::string_view destination, const std::vector<std::string>& rules);

  const std::string& registry() const { return place_.registry; }
  // Throws Error(usage) when the result is no name.
  oci::Reference name_of(const std::string& bundled) const;
  // Throws Error(usage) for a rule that concerns none of these names.
  void check_rules(const std::vector<std::string>& bundled) const;

 private:
  RegistryPlace place_;
  std::vector<std::pair<std::string, std::string>> rules_;
};

struct ImportReport {
  std::size_t images = 0;  // that the destination did not have
  std::size_t present = 0;
  std::size_t unchanged = 0;  // that the bundle did not bring
  std::size_t uploaded = 0;   // blobs
  std::size_t mounted = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_resumed = 0;
};

// Both check first that the destination has what the bundle leaves out (else Error(not_found) that lists it,
// and nothing was written) and that no two images would get one name; then blobs are sent, and tags set
// behind them. What is there already is not sent again, so an interrupted import is continued by calling it
// again. Not to be called from a task of RegistrySession::transfers().
ImportReport import_bundle(RegistrySession& session, const BundleReader& bundle, const ImportTarget& target,
                           EventSink& events, const std::stop_token& stop);

// From a stream that is read once, `name` in messages. Blobs go one after the other; one that a registry
// loses in the middle cannot be sent again (Error(unsupported)).
ImportReport import_stream(RegistrySession& session, Source& in, const std::string& name,
                           const ImportTarget& target, EventSink& events, const std::stop_token& stop);

}  // namespace dash::registry
