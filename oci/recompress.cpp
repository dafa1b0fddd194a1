#include "oci/recompress.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace dash::oci {

Layer recompress_layer(const LayerSettings& settings, const Layer& layer, const std::stop_token& stop) {
  const auto name = concat("layer ", layer.blob.digest.to_string());
  const auto tar = make_decompressor(settings.store.open(layer.blob), name);
  const auto blob = settings.store.begin_write();
  HashingSink output(*blob);
  const auto compressor = make_compressor(settings.compression, output, settings.pool);
  HashingSink input(*compressor);
  std::vector<std::byte> buffer(kStreamBlock);
  while (const auto count = tar->read(buffer)) {
    if (stop.stop_requested())
      throw Error(ErrorCode::canceled, concat("compressing ", name, " again was stopped"));
    input.write(Bytes(buffer).first(count));
  }
  compressor->finish();
  if (DiffId(input.value()) != layer.diff_id)
    throw Error(ErrorCode::corrupt, concat(name, " does not have the diff id ", layer.diff_id.to_string()));
  const Digest digest(output.value());
  blob->commit(digest);
  return {{std::string(settings.compression.layer_media_type()), digest, output.count(), {}, std::nullopt},
          layer.diff_id};
}

}  // namespace dash::oci
