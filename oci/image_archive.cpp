#include "oci/image_archive.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "oci/archived_file.hpp"
#include "oci/docker_archive.hpp"
#include "oci/docker_schema.hpp"
#include "oci/layer_writer.hpp"
#include "oci/tar_writer.hpp"

#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace dash::oci {

namespace {

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view kBlobs = "blobs/sha256/";

// The blobs of an archive, read in place.
class ArchivedBlobs : public BlobStore {
 public:
  explicit ArchivedBlobs(fs::path archive) : archive_(std::move(archive)) {}

  Index index() const {
    ArchivedFile file(archive_, "index.json");
    if (!file.found())
      throw Error(ErrorCode::invalid_input,
                  concat(archive_.string(), " is not an OCI archive: it has no index.json"))
          .with_hint("what 'docker save' writes is docker-archive:FILE[:NAME]");
    const auto name = concat("index.json of ", archive_.string());
    return Index::parse(read_all(file, kMaxDocumentSize, name), name);
  }

  bool contains(const Digest& digest) const override {
    return ArchivedFile(archive_, concat(kBlobs, digest.hex())).found();
  }
  std::unique_ptr<Source> open(const Descriptor& blob) const override {
    auto source = std::make_unique<ArchivedFile>(archive_, concat(kBlobs, blob.digest.hex()));
    if (!source->found())
      throw Error(ErrorCode::not_found,
                  concat("blob ", blob.digest.to_string(), " is not in ", archive_.string()));
    return std::make_unique<VerifyingSource>(
        std::move(source), blob, concat("blob ", blob.digest.to_string(), " of ", archive_.string()));
  }
  std::unique_ptr<BlobWriter> begin_write() override {
    throw Error(ErrorCode::internal, concat(archive_.string(), " can only be read"));
  }

 private:
  fs::path archive_;
};

TarEntry file_entry(std::string path, std::uint64_t size) {
  return {.path = std::move(path), .mode = 0644, .size = size, .mtime = kDefaultEpoch};
}

void add_directory(TarWriter& tar, std::string path) {
  tar.add({.path = std::move(path), .type = EntryType::directory, .mode = 0755, .mtime = kDefaultEpoch});
}

void add_blob(TarWriter& tar, const BlobStore& from, const Descriptor& blob, const std::stop_token& stop) {
  const auto source = from.open(blob);
  tar.begin(file_entry(concat(kBlobs, blob.digest.hex()), blob.size));
  for (auto left = blob.size; left != 0;) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "writing the image archive was stopped");
    const auto count = source->read(tar.buffer(kStreamBlock));
    tar.commit_buffer(count);
    left -= count;
  }
  std::array<std::byte, 1> nothing{};
  source->read(nothing);  // an empty blob is verified here
}

}  // namespace

OpenedImage open_content(const ImageLocation& location, const Platform& platform) {
  const auto& path = location.path;
  switch (location.kind) {
    case ImageLocation::Kind::layout: {
      auto layout = std::make_unique<ImageLayout>(ImageLayout::open(path));
      auto entry = pick_image(layout->index(), location.tag, platform, path.string());
      return {std::move(layout), std::move(entry)};
    }
    case ImageLocation::Kind::archive: {
      auto blobs = std::make_unique<ArchivedBlobs>(path);
      auto entry = pick_image(blobs->index(), location.tag, platform, path.string());
      return {std::move(blobs), std::move(entry)};
    }
    case ImageLocation::Kind::docker_archive:
      return open_docker_archive(path, location.tag, platform);
    case ImageLocation::Kind::name:
      break;
  }
  throw Error(ErrorCode::internal, concat(location.to_string(), " is neither a layout nor an archive"));
}

OpenedImage open_image(const ImageLocation& location, const Platform& platform) {
  auto opened = open_content(location, platform);
  if (location.kind == ImageLocation::Kind::docker_archive) return opened;
  opened.manifest = resolve_manifest(*opened.store, opened.manifest, platform);
  return as_oci_image(std::move(opened));
}

Descriptor import_archive(const fs::path& file, std::string_view tag, BlobStore& to, const Platform& platform,
                          const std::stop_token& stop) {
  const auto image = open_image({ImageLocation::Kind::archive, file, std::string(tag), {}}, platform);
  return copy_image(*image.store, image.manifest, to, platform, stop);
}

Descriptor import_layout(const fs::path& directory, std::string_view tag, BlobStore& to,
                         const Platform& platform, const std::stop_token& stop) {
  const auto image = open_image({ImageLocation::Kind::layout, directory, std::string(tag), {}}, platform);
  return copy_image(*image.store, image.manifest, to, platform, stop);
}

void export_archive(const BlobStore& from, const Descriptor& image, std::string_view tag,
                    const fs::path& file, const Platform& platform, const std::stop_token& stop) {
  auto entry = resolve_manifest(from, image, platform);
  const auto bytes = from.read(entry, kMaxDocumentSize);
  const auto manifest = Manifest::parse(bytes, concat("manifest ", entry.digest.to_string()));
  if (tag.empty())
    entry.annotations.erase(annotation::kRefName);
  else
    entry.annotations[annotation::kRefName] = tag;
  const auto index = Index{{entry}, {}}.to_json();

  const auto directory = file.has_parent_path() ? file.parent_path() : fs::path(".");
  TempFile out(directory);
  TarWriter tar(out);
  tar.add(file_entry("oci-layout", kLayoutFile.size()), as_bytes(kLayoutFile));
  tar.add(file_entry("index.json", index.size()), as_bytes(index));
  add_directory(tar, "blobs");
  add_directory(tar, "blobs/sha256");
  std::set<Digest> written;
  auto add = [&](const Descriptor& blob) {
    if (written.insert(blob.digest).second) add_blob(tar, from, blob, stop);
  };
  add(entry);
  add(manifest.config);
  for (const auto& layer : manifest.layers)
    if (!media_type::is_foreign_layer(layer.media_type) || from.contains(layer.digest)) add(layer);
  tar.finish();
  out.commit(file);
  sync_directory(directory);
}

void export_layout(const BlobStore& from, const Descriptor& image, std::string_view tag,
                   const fs::path& directory, const Platform& platform, const std::stop_token& stop) {
  auto to = ImageLayout::open_or_create(directory);
  const auto lease = to.lease();
  auto entry = copy_image(from, image, to, platform, stop);
  if (!tag.empty()) return to.tag(tag, entry);
  entry.annotations.erase(annotation::kRefName);
  to.update_index([&](Index& index) {
    std::erase_if(index.manifests,
                  [](const Descriptor& other) { return !other.annotations.contains(annotation::kRefName); });
    index.manifests.push_back(entry);
  });
}

}  // namespace dash::oci
