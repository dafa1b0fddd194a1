// Which repository of a registry has a blob, as earlier runs saw it: where to mount from
// (docs/formats/store.md).
#pragma once

#include "base/path.hpp"
#include "oci/digest.hpp"

#include <ctime>
#include <optional>
#include <string>

namespace dash::registry {

class RegistrySession;

// A hint only: what it says may have changed, and losing it costs an upload. Several processes may use one
// directory at once. Thread-safe. Never throws for the directory's sake; one that cannot be used remembers
// nothing.
class BlobPlaces {
 public:
  // An empty directory remembers nothing.
  explicit BlobPlaces(fs::path directory) : directory_(std::move(directory)) {}

  // The repository that was noted last.
  std::optional<std::string> find(const std::string& registry, const oci::Digest& blob) const;
  void note(const std::string& registry, const oci::Digest& blob, const std::string& repository);

  // Forgets what was noted before that time (seconds since the epoch).
  void remove_before(std::time_t time);

 private:
  fs::path file(const std::string& registry, const oci::Digest& blob) const;

  fs::path directory_;
};

// Below RegistrySettings::state_directory; nothing when that is not set.
fs::path places_directory(const fs::path& state_directory);
BlobPlaces places_of(const RegistrySession& session);

}  // namespace dash::registry
