#include "oci/image_copy.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace dash::oci {

namespace {

constexpr int kMaxDepth = 8;

std::string tag_of(const Descriptor& entry) {
  const auto found = entry.annotations.find(annotation::kRefName);
  return found == entry.annotations.end() ? std::string() : found->second;
}

std::string list(std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words.empty() ? "none" : join(words, ", ");
}

Descriptor pick_platform(const std::vector<Descriptor>& entries, const Platform& platform,
                         std::string_view name) {
  std::vector<std::string> others;
  for (const auto& entry : entries) {
    // One without a platform is taken to fit (image-spec image-index.md: the property is optional).
    if (!entry.platform || fits(*entry.platform, platform)) return entry;
    // Attestations stand beside the images, for "unknown/unknown".
    if (entry.platform->os != "unknown") others.push_back(to_string(*entry.platform));
  }
  throw Error(ErrorCode::not_found,
              concat(name, " has no image for ", to_string(platform), "; it has ", list(std::move(others))));
}

// A layer that may be left out: it is had from its own place, by who runs the image.
bool is_elsewhere(const BlobStore& from, const Descriptor& layer) {
  return media_type::is_foreign_layer(layer.media_type) && !from.contains(layer.digest);
}

void copy_blob(const BlobStore& from, const Descriptor& blob, BlobStore& to, const std::stop_token& stop) {
  if (to.claim(blob.digest)) return;
  const auto source = from.open(blob);
  const auto writer = to.begin_write();
  std::vector<std::byte> buffer(kStreamBlock);
  while (const auto count = source->read(buffer)) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "copying the image was stopped");
    writer->write(Bytes(buffer).first(count));
  }
  writer->commit(blob.digest);
}

[[noreturn]] void refuse_media_type(const Descriptor& descriptor) {
  throw Error(ErrorCode::unsupported,
              concat("manifest ", descriptor.digest.to_string(), " has the media type ",
                     quoted(descriptor.media_type), ", which is not an image"));
}

void copy_below(const BlobStore& from, const Descriptor& descriptor, BlobStore& to, int depth,
                const std::stop_token& stop) {
  const auto name = descriptor.digest.to_string();
  const bool is_index = media_type::is_index(descriptor.media_type);
  if (!is_index && !media_type::is_manifest(descriptor.media_type)) {
    if (!is_elsewhere(from, descriptor)) copy_blob(from, descriptor, to, stop);
    return;
  }
  if (depth > kMaxDepth)
    throw Error(ErrorCode::unsupported, concat(name, ": the index is nested too deeply"));
  const auto bytes = from.read(descriptor, kMaxDocumentSize);
  if (is_index) {
    for (const auto& entry : Index::parse(bytes, name).manifests)
      copy_below(from, entry, to, depth + 1, stop);
  } else {
    const auto manifest = Manifest::parse(bytes, name);
    for (const auto& layer : manifest.layers) copy_below(from, layer, to, depth + 1, stop);
    copy_below(from, manifest.config, to, depth + 1, stop);
  }
  to.put(bytes, descriptor.media_type);
}

}  // namespace

Descriptor pick_image(const Index& index, std::string_view tag, const Platform& platform,
                      std::string_view name) {
  std::vector<Descriptor> found;
  std::vector<std::string> tags;
  for (const auto& entry : index.manifests) {
    tags.push_back(tag_of(entry).empty() ? "(an image without a tag)" : tag_of(entry));
    if (tag.empty() || tag_of(entry) == tag) found.push_back(entry);
  }
  if (found.empty())
    throw Error(ErrorCode::not_found, tag.empty() ? concat(name, " holds no image")
                                                  : concat(name, " has no image with the tag ", quoted(tag),
                                                           "; its tags are: ", list(std::move(tags))));
  const auto other = std::any_of(found.begin(), found.end(), [&](const Descriptor& entry) {
    return tag_of(entry) != tag_of(found.front()) || (found.size() > 1 && !entry.platform);
  });
  if (other)
    throw Error(ErrorCode::usage,
                concat(name, " holds ", found.size(), " images; their tags are: ", list(std::move(tags))))
        .with_hint("name one of them by its tag");
  return pick_platform(found, platform, name);
}

Descriptor resolve_manifest(const BlobStore& store, const Descriptor& descriptor, const Platform& platform) {
  if (media_type::is_manifest(descriptor.media_type)) return descriptor;
  if (!media_type::is_index(descriptor.media_type)) refuse_media_type(descriptor);
  const auto name = concat("index ", descriptor.digest.to_string());
  auto entries = Index::parse(store.read(descriptor, kMaxDocumentSize), name).manifests;
  // Attestations and other artifacts stand beside the images.
  std::erase_if(entries, [](const Descriptor& entry) {
    return !media_type::is_manifest(entry.media_type) && !media_type::is_index(entry.media_type);
  });
  return resolve_manifest(store, pick_platform(entries, platform, name), platform);
}

void require_platform(const BlobStore& store, const Descriptor& image, const Platform& platform,
                      std::string_view name) {
  if (!media_type::is_manifest(image.media_type)) return;
  const auto manifest = Manifest::parse(store.read(image, kMaxDocumentSize), name);
  if (!manifest.artifact().empty()) return;
  const auto has =
      ImageConfig::parse(store.read(manifest.config, kMaxDocumentSize), concat("configuration of ", name))
          .platform;
  if (!fits(has, platform))
    throw Error(ErrorCode::not_found,
                concat(name, " has no image for ", to_string(platform), "; it has ", to_string(has)));
}

Descriptor copy_image(const BlobStore& from, const Descriptor& image, BlobStore& to, const Platform& platform,
                      const std::stop_token& stop) {
  auto descriptor = resolve_manifest(from, image, platform);
  const auto bytes = from.read(descriptor, kMaxDocumentSize);
  const auto manifest = Manifest::parse(bytes, concat("manifest ", descriptor.digest.to_string()));
  require_all_layers(from, manifest, concat("image ", descriptor.digest.to_string()));
  for (const auto& layer : manifest.layers) copy_blob(from, layer, to, stop);
  copy_blob(from, manifest.config, to, stop);
  to.put(bytes, descriptor.media_type);
  return descriptor;
}

void require_all_layers(const BlobStore& from, const Manifest& manifest, std::string_view name) {
  for (const auto& layer : manifest.layers)
    if (is_elsewhere(from, layer))
      throw Error(ErrorCode::unsupported,
                  concat(name, " has the layer ", layer.digest.to_string(),
                         ", which is not to be distributed (", layer.media_type, ") and is not here"))
          .with_hint(
              "an image that has all its layers is needed here; registries, oci: and oci-archive: take this "
              "one as it is");
}

void copy_content(const BlobStore& from, const Descriptor& root, BlobStore& to, const std::stop_token& stop) {
  if (!media_type::is_index(root.media_type) && !media_type::is_manifest(root.media_type))
    refuse_media_type(root);
  copy_below(from, root, to, 0, stop);
}

}  // namespace dash::oci
