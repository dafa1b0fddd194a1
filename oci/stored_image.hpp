// An image as a content store has it: manifest and configuration, parsed.
#pragma once

#include "oci/blob_store.hpp"
#include "oci/manifest.hpp"

#include <vector>

namespace dash::oci {

struct StoredImage {
  Descriptor descriptor;  // of the manifest
  Manifest manifest;
  ImageConfig config;
  // Layers with their diff ids, lowest first. Throws Error(corrupt) when the counts differ.
  std::vector<Layer> layers() const;
};

// Reads the image behind a manifest descriptor; an index is resolved to the entry for `platform`.
// Error(unsupported) for an artifact.
StoredImage load_image(const BlobStore& store, const Descriptor& image, const Platform& platform = {});

// Stores configuration and manifest of an image whose layers `store` has; Error(internal) for one that it has
// not. The configuration's diff ids are made from `layers`.
Descriptor put_image(BlobStore& store, const ImageConfig& config, const std::vector<Layer>& layers,
                     const Annotations& annotations = {});

}  // namespace dash::oci
