// Where whole images come from: a content store or a repository; and what belongs to one.
#pragma once

#include "oci/blob_store.hpp"
#include "oci/reference.hpp"
#include "registry/blob_source.hpp"
#include "registry/registry_client.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dash::registry {

// Thread-safe. Everything it gives is verified.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // The bytes of a manifest or index.
  virtual std::string document(const oci::Descriptor& descriptor) = 0;
  virtual std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) = 0;
  // The repository that has the blobs, for mounts; nothing when they are here.
  virtual std::optional<oci::Reference> place() const { return std::nullopt; }
};

class StoreSource : public ImageSource {
 public:
  explicit StoreSource(const oci::BlobStore& store) : store_(store) {}
  std::string document(const oci::Descriptor& descriptor) override;
  std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) override;

 private:
  const oci::BlobStore& store_;
};

class RepositorySource : public ImageSource {
 public:
  explicit RepositorySource(RegistryClient& client) : client_(client) {}
  std::string document(const oci::Descriptor& descriptor) override;
  std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) override;
  std::optional<oci::Reference> place() const override;

 private:
  RegistryClient& client_;
};

struct Document {
  oci::Descriptor descriptor;
  std::string bytes;
};

// What has to move for an image, an index or an artifact.
struct ImageContents {
  std::vector<Document> documents;  // what is referred to stands before what refers to it; the root is last
  std::vector<oci::Descriptor> blobs;  // each once, largest first; without foreign layers
};

// Reads all documents below `root`. Error(unsupported) for a document that is neither manifest nor index,
// and for trees that no honest image has (over 64 MiB of documents, nested deeper than 8).
ImageContents read_contents(ImageSource& from, const oci::Descriptor& root);

}  // namespace dash::registry
