// What a build has to do with registries: the builder's port, and sending what was built.
#pragma once

#include "base/event.hpp"
#include "builder/build.hpp"
#include "builder/host.hpp"
#include "builder/ports.hpp"
#include "cli/options.hpp"
#include "oci/reference.hpp"
#include "registry/registry_session.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace dash::registry {
class RegistryClient;
}

namespace dash::cli {

// Names of `option` in full, checked before the build so that a wrong one does not cost a build.
std::vector<oci::Reference> parse_remote_names(const std::string& option,
                                               const std::vector<std::string>& texts);

// Opens no connection before it is asked for something. Thread-safe. `events` must outlive it.
class BuildRegistry : public builder::ImageRegistry {
 public:
  BuildRegistry(registry::RegistrySettings settings, EventSink& events, std::stop_token stop);
  ~BuildRegistry() override;

  std::optional<Document> manifest(const oci::Reference& name, const oci::Platform& platform) override;
  std::string read(const oci::Descriptor& blob, const oci::Reference& from) override;
  void fetch(const std::vector<oci::Descriptor>& blobs, const oci::Reference& from,
             oci::ImageLayout& to) override;

  // Sends an image of the store to each target. Layers that are in a registry only are mounted where that is
  // the target's, and else go from one to the other.
  void push(builder::Store& store, const oci::Descriptor& image, const std::vector<oci::Reference>& targets);

 private:
  registry::RegistrySession& session();
  registry::RegistryClient& client(const oci::Reference& name);

  registry::RegistrySettings settings_;
  EventSink& events_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::unique_ptr<registry::RegistrySession> session_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<registry::RegistryClient>> clients_;
};

}  // namespace dash::cli
