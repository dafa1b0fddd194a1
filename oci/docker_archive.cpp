#include "oci/docker_archive.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "oci/archived_file.hpp"
#include "oci/compression.hpp"
#include "oci/image_copy.hpp"
#include "oci/layer_writer.hpp"
#include "oci/overlay_store.hpp"
#include "oci/rooted_tree.hpp"
#include "oci/tar_writer.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace dash::oci {

namespace {

using Json = nlohmann::json;

constexpr const char* kManifestFile = "manifest.json";
// More than any runtime accepts.
constexpr std::size_t kMaxLayers = 1000;
constexpr int kMaxLinks = 8;

// One image of manifest.json.
struct SavedImage {
  std::string config;
  std::vector<std::string> names;
  std::vector<std::string> layers;
};

// Layers of an archive, by digest.
class ArchivedLayers : public BlobStore {
 public:
  explicit ArchivedLayers(fs::path archive) : archive_(std::move(archive)) {}
  void add(const Digest& digest, std::string path) { paths_.insert_or_assign(digest, std::move(path)); }

  bool contains(const Digest& digest) const override { return paths_.contains(digest); }
  std::unique_ptr<Source> open(const Descriptor& blob) const override {
    const auto found = paths_.find(blob.digest);
    if (found == paths_.end())
      throw Error(ErrorCode::not_found,
                  concat("blob ", blob.digest.to_string(), " is not in ", archive_.string()));
    return std::make_unique<VerifyingSource>(std::make_unique<ArchivedFile>(archive_, found->second), blob,
                                             concat(found->second, " of ", archive_.string()));
  }
  std::unique_ptr<BlobWriter> begin_write() override {
    throw Error(ErrorCode::internal, concat(archive_.string(), " can only be read"));
  }

 private:
  fs::path archive_;
  std::map<Digest, std::string> paths_;
};

std::vector<std::string> text_list(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::vector<std::string>()
                                                   : found->get<std::vector<std::string>>();
}

std::string list_names(const std::vector<SavedImage>& images) {
  std::vector<std::string> names;
  for (const auto& image : images) {
    names.insert(names.end(), image.names.begin(), image.names.end());
    if (image.names.empty()) names.emplace_back("(an image without a name)");
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? "none" : join(names, ", ");
}

// "app" is "app:latest"; a colon in front of a slash belongs to a port.
std::string with_tag(std::string_view name) {
  const auto colon = name.rfind(':');
  const auto slash = name.rfind('/');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || slash < colon);
  return concat(name, tagged ? "" : ":latest");
}

class SavedArchive {
 public:
  explicit SavedArchive(fs::path file) : file_(std::move(file)), entries_(list_archive(file_)) {}

  std::vector<SavedImage> images() const {
    if (!entries_.contains(kManifestFile))
      throw Error(ErrorCode::invalid_input,
                  concat(file_.string(), " is not a Docker archive: it has no manifest.json"))
          .with_hint(entries_.contains("index.json")
                         ? "use oci-archive:FILE[:TAG]"
                         : "make one with 'docker save'; Docker before 1.10 wrote "
                           "another form");
    const auto name = concat("manifest.json of ", file_.string());
    try {
      std::vector<SavedImage> out;
      const auto json = Json::parse(read(kManifestFile));
      if (!json.is_array()) throw Error(ErrorCode::corrupt, concat(name, " is not a list of images"));
      for (const auto& item : json)
        out.push_back(
            {item.at("Config").get<std::string>(), text_list(item, "RepoTags"), text_list(item, "Layers")});
      return out;
    } catch (const Json::exception& fault) {
      throw Error(ErrorCode::corrupt, concat(name, " is not a list of images: ", fault.what()));
    }
  }

  OpenedImage open(const SavedImage& image, const Platform& platform) const {
    const auto config_text = read(resolve(image.config));
    const auto config =
        ImageConfig::parse(config_text, concat("configuration ", image.config, " of ", file_.string()));
    check_platform(config.platform, platform);
    if (image.layers.size() > kMaxLayers || image.layers.size() != config.diff_ids.size())
      throw Error(ErrorCode::corrupt,
                  concat("the image in ", file_.string(), " has ", image.layers.size(),
                         " layers but its configuration lists ", config.diff_ids.size(), " diff ids"));
    auto blobs = std::make_unique<ArchivedLayers>(file_);
    std::vector<Descriptor> layers;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      auto path = resolve(image.layers[i]);
      layers.push_back(describe_layer(path, config.diff_ids[i]));
      blobs->add(layers.back().digest, std::move(path));
    }
    auto store = std::make_unique<OverlayStore>(std::move(blobs));
    const Manifest manifest{store->add(config_text, media_type::kConfig), std::move(layers), {}};
    auto descriptor = store->add(manifest.to_json(), media_type::kManifest);
    descriptor.platform = config.platform;
    return {std::move(store), std::move(descriptor)};
  }

 private:
  // The path of the regular file behind `path`; docker save makes links for layers that images share.
  std::string resolve(const std::string& path) const {
    auto current = normalize_entry_path(path);
    for (int links = 0; links < kMaxLinks; ++links) {
      const auto found = entries_.find(current);
      if (found == entries_.end()) break;
      const auto& entry = found->second;
      if (entry.type == EntryType::file) return current;
      if (entry.type == EntryType::symlink)
        current = follow(current, entry.link_target);
      else if (entry.type == EntryType::hardlink)
        current = normalize_entry_path(entry.link_target);
      else
        break;
    }
    throw Error(ErrorCode::corrupt, concat(file_.string(), " lacks the file ", dash::quoted(path),
                                           ", which its manifest.json names"));
  }

  static std::string follow(const std::string& link, const std::string& target) {
    const auto joined = (fs::path(link).parent_path() / target).lexically_normal().string();
    // What leads out of the archive is not there.
    return joined.starts_with("..") || joined.starts_with('/') ? std::string("..") : joined;
  }

  std::string read(const std::string& path) const {
    ArchivedFile file(file_, path);
    return read_all(file, kMaxDocumentSize, concat(path, " of ", file_.string()));
  }

  // The diff id of a plain tar is its digest too; a compressed layer's digest is nowhere to be read.
  Descriptor describe_layer(const std::string& path, const DiffId& diff_id) const {
    const auto& entry = entries_.at(path);
    const bool gzip = entry.head.starts_with("\x1f\x8b");
    const bool zstd = entry.head.starts_with("\x28\xb5\x2f\xfd");
    if (!gzip && !zstd)
      return {std::string(media_type::kLayerTar),
              Digest::parse(diff_id.to_string()),
              entry.size,
              {},
              std::nullopt};
    ArchivedFile file(file_, path);
    return {std::string(gzip ? media_type::kLayerGzip : media_type::kLayerZstd),
            Digest(sha256(file)),
            entry.size,
            {},
            std::nullopt};
  }

  void check_platform(const Platform& has, const Platform& wanted) const {
    if (has.os == wanted.os && has.architecture == wanted.architecture) return;
    throw Error(ErrorCode::not_found,
                concat(file_.string(), " has no image for ", wanted.os, '/', wanted.architecture, "; it has ",
                       has.os, '/', has.architecture));
  }

  fs::path file_;
  std::map<std::string, ArchivedEntry> entries_;
};

SavedImage pick(const std::vector<SavedImage>& images, std::string_view name, const fs::path& file) {
  if (images.empty()) throw Error(ErrorCode::not_found, concat(file.string(), " holds no image"));
  if (name.empty()) {
    if (images.size() == 1) return images.front();
    throw Error(ErrorCode::usage, concat(file.string(), " holds ", images.size(),
                                         " images; their names are: ", list_names(images)))
        .with_hint("name one of them: docker-archive:FILE:NAME");
  }
  const auto wanted = with_tag(name);
  std::vector<const SavedImage*> similar;
  for (const auto& image : images) {
    const auto is_similar = [&](const std::string& other) { return other.ends_with(concat('/', wanted)); };
    if (std::find(image.names.begin(), image.names.end(), wanted) != image.names.end()) return image;
    if (std::any_of(image.names.begin(), image.names.end(), is_similar)) similar.push_back(&image);
  }
  if (similar.size() == 1) return *similar.front();
  throw Error(similar.empty() ? ErrorCode::not_found : ErrorCode::usage,
              concat(file.string(), similar.empty() ? " has no image " : " has several images ",
                     dash::quoted(wanted), "; the names are: ", list_names(images)));
}

TarEntry file_entry(std::string path, std::uint64_t size) {
  return {.path = std::move(path), .mode = 0644, .size = size, .mtime = kDefaultEpoch};
}

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::canceled, "writing the image archive was stopped");
}

// The tar's size, which its header in the archive needs before its content; checks the diff id on the way.
std::uint64_t tar_size(const BlobStore& from, const Layer& layer, const std::stop_token& stop) {
  const auto name = concat("layer ", layer.blob.digest.to_string());
  const auto tar = make_decompressor(from.open(layer.blob), name);
  NullSink nowhere;
  HashingSink hash(nowhere);
  std::vector<std::byte> buffer(kStreamBlock);
  while (const auto count = tar->read(buffer)) {
    check_stop(stop);
    hash.write(Bytes(buffer).first(count));
  }
  if (DiffId(hash.value()) != layer.diff_id)
    throw Error(ErrorCode::corrupt, concat(name, " does not have the diff id ", layer.diff_id.to_string()));
  return hash.count();
}

void add_layer(TarWriter& archive, const BlobStore& from, const Layer& layer, const std::stop_token& stop) {
  const auto size = tar_size(from, layer, stop);
  const auto tar = make_decompressor(from.open(layer.blob), concat("layer ", layer.blob.digest.to_string()));
  archive.begin(file_entry(concat(layer.diff_id.hex(), ".tar"), size));
  for (auto left = size; left != 0;) {
    check_stop(stop);
    const auto count = tar->read(archive.buffer(kStreamBlock));
    if (count == 0)
      throw Error(ErrorCode::corrupt,
                  concat("layer ", layer.blob.digest.to_string(), " changed while it was read"));
    archive.commit_buffer(count);
    left -= count;
  }
}

}  // namespace

OpenedImage open_docker_archive(const fs::path& file, std::string_view name, const Platform& platform) {
  const SavedArchive archive(file);
  return archive.open(pick(archive.images(), name, file), platform);
}

void export_docker_archive(const BlobStore& from, const Descriptor& image, std::string_view name,
                           const fs::path& file, const Platform& platform, const std::stop_token& stop) {
  const auto loaded = load_image(from, image, platform);
  require_all_layers(from, loaded.manifest, concat("image ", loaded.descriptor.digest.to_string()));
  const auto layers = loaded.layers();
  const auto config = from.read(loaded.manifest.config, kMaxDocumentSize);
  const auto config_file = concat(loaded.manifest.config.digest.hex(), ".json");
  auto item = nlohmann::ordered_json::object();
  item["Config"] = config_file;
  item["RepoTags"] = nlohmann::ordered_json::array();
  if (!name.empty()) item["RepoTags"].push_back(with_tag(name));
  item["Layers"] = nlohmann::ordered_json::array();
  for (const auto& layer : layers) item["Layers"].push_back(concat(layer.diff_id.hex(), ".tar"));
  const auto manifest = nlohmann::ordered_json::array({item}).dump();

  const auto directory = file.has_parent_path() ? file.parent_path() : fs::path(".");
  TempFile out(directory);
  TarWriter tar(out);
  tar.add(file_entry(kManifestFile, manifest.size()), as_bytes(manifest));
  tar.add(file_entry(config_file, config.size()), as_bytes(config));
  std::set<DiffId> written;
  for (const auto& layer : layers)
    if (written.insert(layer.diff_id).second) add_layer(tar, from, layer, stop);
  tar.finish();
  out.commit(file);
  sync_directory(directory);
}

}  // namespace dash::oci
