// What a bundle has, and what it leaves out because its destination has it (docs/formats/bundle.md).
#pragma once

#include "oci/descriptor.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

// An image, index or artifact by the name under which it was exported: "registry.example/team/app:1.0", with
// "@sha256:…" when it has no tag. A registry's own inventory leaves the registry out.
struct BundledImage {
  std::string name;
  oci::Descriptor image;
  bool operator==(const BundledImage&) const = default;
};

// A manifest, index or blob, and some of the repositories (names as above, without tag) that it belongs to.
struct BundledBlob {
  oci::Descriptor blob;
  std::vector<std::string> repositories;
  bool operator==(const BundledBlob&) const = default;
};

// What somebody has.
struct Inventory {
  std::vector<BundledImage> images;
  std::vector<BundledBlob> blobs;  // with manifests and indexes

  // Throws Error(corrupt) naming `name` when it is none.
  static Inventory parse(std::string_view json, const std::string& name);
  std::string to_json() const;
  bool operator==(const Inventory&) const = default;
};

// The content of bundle.json. Equal values have equal JSON.
struct BundleIndex {
  std::vector<BundledImage> images;    // complete but for what is required
  std::vector<BundledBlob> documents;  // manifests and indexes, in the order of the archive; all of `images`
  std::vector<BundledBlob> blobs;      // after them
  Inventory required;  // images that did not change, and blobs of both kinds that are left out

  // As Inventory::parse. Checks sizes' sum, duplicates and names, so that the archive can be computed from
  // it.
  static BundleIndex parse(std::string_view json, const std::string& name);
  std::string to_json() const;
  // What a destination has when it imported the bundle.
  Inventory inventory() const;
  bool operator==(const BundleIndex&) const = default;
};

// Indexes larger than this are refused.
inline constexpr std::uint64_t kMaxBundleIndex = std::uint64_t{64} << 20;

// The name without the registry, which an inventory of a registry has.
std::string_view without_registry(std::string_view name);

}  // namespace dash::registry
