// Moving whole images from one content store to another, and picking them from an index.
#pragma once

#include "oci/blob_store.hpp"
#include "oci/manifest.hpp"

#include <stop_token>
#include <string_view>

namespace dash::oci {

// The entry of `index` that `tag` (annotation org.opencontainers.image.ref.name) names. An empty tag takes
// the only image. Entries that differ only in their platform count as one image: the one for `platform` is
// taken. Error(not_found) or, when several images are there and no tag is given, Error(usage); both list the
// tags. `name` says whose index it is.
Descriptor pick_image(const Index& index, std::string_view tag, const Platform& platform,
                      std::string_view name);

// The image manifest behind `descriptor`: itself, or the entry for `platform` when it is an index.
// Error(not_found) lists the platforms that are there; Error(unsupported) when it is neither.
Descriptor resolve_manifest(const BlobStore& store, const Descriptor& descriptor, const Platform& platform);

// Error(not_found) when `image` is one image, and for another platform. Indexes and artifacts pass: the one
// is resolved, the other runs nowhere. `name` says which image it is.
void require_platform(const BlobStore& store, const Descriptor& image, const Platform& platform,
                      std::string_view name);

// Copies an image: layers, configuration, and last its manifest, so that a manifest in `to` is never without
// its blobs. What `to` has already is not read. Blobs are verified on the way, and stay as they are byte by
// byte. An index is resolved to `platform`. Returns the manifest's descriptor. Keep garbage collection away
// from `to` until the image has a name there. Error(unsupported) when a foreign layer is not in `from`.
Descriptor copy_image(const BlobStore& from, const Descriptor& image, BlobStore& to,
                      const Platform& platform = {}, const std::stop_token& stop = {});

// Error(unsupported) when `from` lacks a foreign layer: for those who need every layer's content.
void require_all_layers(const BlobStore& from, const Manifest& manifest, std::string_view name);

// Copies everything below `root` byte by byte: an index with all that it lists, an artifact, an image. What
// is referred to comes before what refers to it. Foreign layers that `from` does not have are left out.
void copy_content(const BlobStore& from, const Descriptor& root, BlobStore& to,
                  const std::stop_token& stop = {});

}  // namespace dash::oci
