#include "oci/stored_image.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/image_copy.hpp"

namespace dash::oci {

std::vector<Layer> StoredImage::layers() const {
  if (manifest.layers.size() != config.diff_ids.size())
    throw Error(ErrorCode::corrupt,
                concat("image ", descriptor.digest.to_string(), " has ", manifest.layers.size(),
                       " layers but its configuration lists ", config.diff_ids.size(), " diff ids"));
  std::vector<Layer> out;
  for (std::size_t i = 0; i < manifest.layers.size(); ++i)
    out.push_back({manifest.layers[i], config.diff_ids[i]});
  return out;
}

StoredImage load_image(const BlobStore& store, const Descriptor& image, const Platform& platform) {
  const auto descriptor = resolve_manifest(store, image, platform);
  const auto name = concat("manifest ", descriptor.digest.to_string());
  auto manifest = Manifest::parse(store.read(descriptor, kMaxDocumentSize), name);
  if (const auto type = manifest.artifact(); !type.empty())
    throw Error(ErrorCode::unsupported,
                concat(name, " is no image: it is an artifact of the type ", quoted(type)))
        .with_hint("an artifact can be copied, pushed and removed; what is asked here needs an image");
  auto config =
      ImageConfig::parse(store.read(manifest.config, kMaxDocumentSize), concat("configuration of ", name));
  return {descriptor, std::move(manifest), std::move(config)};
}

Descriptor put_image(BlobStore& store, const ImageConfig& config, const std::vector<Layer>& layers,
                     const Annotations& annotations) {
  auto complete = config;
  complete.diff_ids.clear();
  std::vector<Descriptor> blobs;
  for (const auto& layer : layers) {
    if (!store.claim(layer.blob.digest))
      throw Error(ErrorCode::internal,
                  concat("layer ", layer.blob.digest.to_string(), " is not in the store"));
    complete.diff_ids.push_back(layer.diff_id);
    blobs.push_back(layer.blob);
  }
  const Manifest manifest{
      store.put(complete.to_json(), media_type::kConfig), std::move(blobs), annotations, {}};
  auto out = store.put(manifest.to_json(), media_type::kManifest);
  out.platform = complete.platform;
  return out;
}

}  // namespace dash::oci
