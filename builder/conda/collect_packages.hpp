// From a lock to package files on this machine.
#pragma once

#include "builder/conda/explicit_lock.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace dash::builder {

// The URL to fetch a package from, where mirrors are configured.
using MapUrl = std::function<std::string(const std::string& url)>;

// Gets the packages of a lock. Files are kept as store.packages()/<sha256>/<file name> and not fetched again;
// which file an MD5 means is kept in store.packages()/md5. Not thread-safe.
class CondaCollector {
 public:
  // `bench` and `lock` must outlive the object. `map_url` may be empty. Error(invalid_input) for a URL that
  // is not a package's.
  CondaCollector(const Workbench& bench, std::string step, const ExplicitLock& lock, MapUrl map_url);

  // The package's SHA-256 where the lock has it or the store knows it by its MD5; else nothing.
  std::optional<Sha256> known(std::size_t index) const;

  // Called with the index of a package as soon as it is there and its digests are found right, with both of
  // them. By one thread at a time, not always the calling one.
  using Ready = std::function<void(std::size_t index, const fs::path& path, const PackageDigests& digests)>;
  // Error(unavailable) offline for what the store does not have; Error(corrupt) for what is not what the lock
  // says, and then nothing is kept of it.
  void collect(const std::vector<std::size_t>& indices, const Ready& ready);

 private:
  fs::path kept_path(const Sha256& sha256, std::size_t index) const;
  bool is_kept(const Sha256& sha256, std::size_t index) const;
  FetchRequest request_for(std::size_t index, const fs::path& destination) const;
  void fetch(const std::vector<FetchRequest>& wanted) const;
  void settle(std::size_t index, const fs::path& path, const Ready& ready) const;

  const Workbench& bench_;
  std::string step_;
  const ExplicitLock& lock_;
  MapUrl map_url_;
};

}  // namespace dash::builder
