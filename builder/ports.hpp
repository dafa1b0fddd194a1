// What the builder needs from the outside and does not do itself; cli/ wires these to registry/.
#pragma once

#include "base/path.hpp"
#include "base/sha256.hpp"
#include "oci/descriptor.hpp"
#include "oci/image_layout.hpp"
#include "oci/reference.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::builder {

struct FetchRequest {
  std::string url;  // https:, http: or file:; may carry credentials, which are never shown
  fs::path destination;
  std::optional<Sha256> sha256;       // verified before the file appears
  std::optional<std::uint64_t> size;  // verified too; also for progress
  std::string shown;                  // short name for messages and progress ("pandas-2.2.3-cp311-….whl")
  std::function<void()> completed{};  // called when the file is there, by one thread at a time; may be empty
  // `unchecked` for servers that pip's --trusted-host names.
  enum class Certificates { checked, unchecked } certificates = Certificates::checked;
};

// Downloads files in parallel. A destination appears only when complete and verified; what could not be
// fetched is an Error(unavailable, denied, not_found or corrupt) that names the file and the redacted URL.
class PackageFetcher {
 public:
  using Progress = std::function<void(const FetchRequest& request, std::uint64_t done, std::uint64_t total)>;
  virtual ~PackageFetcher() = default;
  virtual void fetch(const std::vector<FetchRequest>& requests, const Progress& progress,
                     std::stop_token stop) = 0;
};

// Images in registries: bases, and what earlier builds made. Thread-safe. Failures are the Errors of a
// registry client, which name what was asked for.
class ImageRegistry {
 public:
  struct Document {
    oci::Descriptor descriptor;
    std::string bytes;  // verified
  };
  virtual ~ImageRegistry() = default;
  // The manifest that `name` points to, of an index the one for `platform`; nothing when the registry has no
  // such image.
  virtual std::optional<Document> manifest(const oci::Reference& name, const oci::Platform& platform) = 0;
  // A small blob of the repository of `from`, verified.
  virtual std::string read(const oci::Descriptor& blob, const oci::Reference& from) = 0;
  // Brings blobs into a layout, side by side, verified.
  virtual void fetch(const std::vector<oci::Descriptor>& blobs, const oci::Reference& from,
                     oci::ImageLayout& to) = 0;
};

}  // namespace dash::builder
