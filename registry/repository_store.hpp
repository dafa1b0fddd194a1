// A repository as a content store that is only read: for code that wants documents and blobs by digest.
#pragma once

#include "oci/blob_store.hpp"
#include "registry/image_source.hpp"

namespace dash::registry {

// Says of every blob that it is not there (nothing is asked for that); `open` finds what is. The client must
// outlive it.
class RepositoryStore : public oci::BlobStore {
 public:
  explicit RepositoryStore(RegistryClient& client) : source_(client) {}

  bool contains(const oci::Digest&) const override { return false; }
  std::unique_ptr<Source> open(const oci::Descriptor& blob) const override;
  std::unique_ptr<oci::BlobWriter> begin_write() override;

 private:
  mutable RepositorySource source_;
};

}  // namespace dash::registry
