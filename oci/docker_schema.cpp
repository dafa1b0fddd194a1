#include "oci/docker_schema.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/overlay_store.hpp"

namespace dash::oci {

namespace {

constexpr std::pair<std::string_view, std::string_view> kMediaTypes[] = {
    {media_type::kDockerManifest, media_type::kManifest},
    {media_type::kDockerIndex, media_type::kIndex},
    {media_type::kDockerConfig, media_type::kConfig},
    {media_type::kDockerLayerTar, media_type::kLayerTar},
    {media_type::kDockerLayerGzip, media_type::kLayerGzip},
    // Not in Docker's documents, but written by BuildKit.
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", media_type::kLayerZstd},
};

}  // namespace

std::string oci_media_type(std::string_view docker) {
  for (const auto& [from, to] : kMediaTypes)
    if (from == docker) return std::string(to);
  if (docker.starts_with("application/vnd.docker.image.rootfs.foreign."))
    throw Error(ErrorCode::unsupported,
                concat("a layer of the type ", quoted(docker), " is not in the image"))
        .with_hint("use a base image that has all its layers");
  return std::string(docker);
}

OpenedImage as_oci_image(OpenedImage image) {
  const auto name = concat("manifest ", image.manifest.digest.to_string());
  auto manifest = Manifest::parse(image.store->read(image.manifest, kMaxDocumentSize), name);
  bool changed = image.manifest.media_type != media_type::kManifest;
  const auto convert = [&](Descriptor& blob) {
    auto type = oci_media_type(blob.media_type);
    changed = changed || type != blob.media_type;
    blob.media_type = std::move(type);
  };
  convert(manifest.config);
  for (auto& layer : manifest.layers) convert(layer);
  if (!changed) return image;
  auto store = std::make_unique<OverlayStore>(std::move(image.store));
  auto descriptor = store->add(manifest.to_json(), media_type::kManifest);
  descriptor.platform = image.manifest.platform;
  descriptor.annotations = image.manifest.annotations;
  return {std::move(store), std::move(descriptor)};
}

}  // namespace dash::oci
