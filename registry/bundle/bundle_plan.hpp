// Where everything stands in a bundle: the archive follows from its index alone, byte for byte, but for the
// blobs' content. So a writer can fill it in any order and continue it, and a reader needs no search.
#pragma once

#include "base/stream.hpp"
#include "registry/bundle/bundle_index.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace dash::registry {

// A manifest, index or blob in the archive: header, content, zeros up to a whole record.
struct PlannedBlob {
  oci::Descriptor blob;
  std::uint64_t offset = 0;  // of the header
  std::string header;

  std::uint64_t content() const { return offset + header.size(); }
  std::uint64_t end() const;  // behind the zeros
};

class BundlePlan {
 public:
  explicit BundlePlan(const BundleIndex& index);

  // Everything before the first blob: oci-layout, index.json, bundle.json, directories.
  const std::string& front() const { return front_; }
  const std::vector<PlannedBlob>& blobs() const { return blobs_; }  // documents first
  // Nothing when the bundle leaves it out.
  const PlannedBlob* find(const oci::Digest& digest) const;
  std::uint64_t size() const { return size_; }  // of the archive

 private:
  std::string front_;
  std::vector<PlannedBlob> blobs_;
  std::unordered_map<oci::Digest, std::size_t> places_;
  std::uint64_t size_ = 0;
};

// Reads the front of an archive and leaves `in` before its first blob. `name` is for messages.
// Error(invalid_input) when it is no bundle, Error(corrupt) when it is a damaged one.
BundleIndex read_bundle_front(Source& in, const std::string& name);

}  // namespace dash::registry
