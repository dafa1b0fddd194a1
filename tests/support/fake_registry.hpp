// A registry in memory behind the builder's port, which counts what it is asked.
#pragma once

#include "base/file.hpp"
#include "base/stream.hpp"
#include "builder/ports.hpp"
#include "builder/store.hpp"
#include "tests/support/memory_store.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::testing {

class FakeRegistry : public builder::ImageRegistry {
 public:
  MemoryStore blobs;
  std::map<std::string, oci::Descriptor> names;
  std::vector<std::string> asked;    // for manifests
  std::vector<oci::Digest> fetched;  // layers

  std::optional<Document> manifest(const oci::Reference& name, const oci::Platform&) override {
    asked.push_back(name.to_string());
    const auto found = names.find(name.to_string());
    if (found == names.end()) return std::nullopt;
    return Document{found->second, blobs.bytes(found->second.digest)};
  }
  std::string read(const oci::Descriptor& blob, const oci::Reference&) override {
    return blobs.bytes(blob.digest);
  }
  void fetch(const std::vector<oci::Descriptor>& wanted, const oci::Reference&,
             oci::ImageLayout& to) override {
    for (const auto& blob : wanted) {
      fetched.push_back(blob.digest);
      to.put(blobs.bytes(blob.digest), blob.media_type);
    }
  }

  // Takes what a build left in a store.
  void push(const builder::Store& store, const oci::Descriptor& image, const std::string& name) {
    const auto bytes = store.layout().read(image, oci::kMaxDocumentSize);
    const auto manifest = oci::Manifest::parse(bytes, name);
    copy(store, manifest.config);
    for (const auto& layer : manifest.layers) copy(store, layer);
    blobs.put(bytes, image.media_type);
    names.insert_or_assign(name, image);
  }

 private:
  void copy(const builder::Store& store, const oci::Descriptor& blob) {
    if (!blobs.contains(blob.digest)) blobs.put(store.layout().read(blob, blob.size), blob.media_type);
  }
};

}  // namespace dash::testing
