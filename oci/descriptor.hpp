// Descriptors and the media types of images (image-spec descriptor.md, media-types.md).
#pragma once

#include "oci/digest.hpp"
#include "oci/platform.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dash::oci {

namespace media_type {
inline constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kLayerTar = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
// Of "{}", for manifests that need no configuration (manifest.md, "Guidance for an Empty Descriptor").
inline constexpr std::string_view kEmpty = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kDockerLayerTar = "application/vnd.docker.image.rootfs.diff.tar";

constexpr bool is_index(std::string_view type) {
  return type == kIndex || type == kDockerIndex;
}
constexpr bool is_manifest(std::string_view type) {
  return type == kManifest || type == kDockerManifest;
}
// Layers that image authors do not want in other registries; they are fetched from their own URLs by those
// who run the image (image-spec layer.md, "Non-Distributable Layers").
constexpr bool is_foreign_layer(std::string_view type) {
  return type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.") ||
         type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.");
}
}  // namespace media_type

using Annotations = std::map<std::string, std::string>;

namespace annotation {
inline constexpr const char* kRefName = "org.opencontainers.image.ref.name";
inline constexpr const char* kCreated = "org.opencontainers.image.created";
inline constexpr const char* kBaseDigest = "org.opencontainers.image.base.digest";
inline constexpr const char* kBaseName = "org.opencontainers.image.base.name";
}  // namespace annotation

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  Annotations annotations;
  std::optional<Platform> platform;
  bool operator==(const Descriptor&) const = default;
};

// A layer of an image: the blob, and the digest of the tar in it.
struct Layer {
  Descriptor blob;
  DiffId diff_id;
  bool operator==(const Layer&) const = default;
};

}  // namespace dash::oci
