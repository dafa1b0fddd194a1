#include "registry/image_source.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <set>

namespace dash::registry {

namespace {

constexpr std::uint64_t kMaxDocuments = std::uint64_t{64} << 20;  // bytes of all documents of one image
constexpr int kMaxDepth = 8;

class Reader {
 public:
  explicit Reader(ImageSource& from) : from_(from) {}

  ImageContents read(const oci::Descriptor& root) {
    visit(root, 0);
    std::stable_sort(out_.blobs.begin(), out_.blobs.end(),
                     [](const auto& a, const auto& b) { return a.size > b.size; });
    return std::move(out_);
  }

 private:
  void visit(const oci::Descriptor& descriptor, int depth) {
    if (!seen_.insert(descriptor.digest).second) return;
    const auto name = descriptor.digest.to_string();
    const bool is_index = oci::media_type::is_index(descriptor.media_type);
    if (!is_index && !oci::media_type::is_manifest(descriptor.media_type))
      throw Error(ErrorCode::unsupported,
                  concat(name, " has the media type ", dash::quoted(descriptor.media_type),
                         ", which is no manifest or index"))
          .with_hint("schema 1 images must be pushed again with a newer tool");
    auto bytes = from_.document(descriptor);
    size_ += bytes.size();
    if (depth > kMaxDepth || size_ > kMaxDocuments)
      throw Error(ErrorCode::unsupported, concat(name, ": the index is nested too deeply, or too large"));
    if (is_index) {
      for (const auto& entry : oci::Index::parse(bytes, name).manifests) visit_entry(entry, depth + 1);
    } else {
      const auto manifest = oci::Manifest::parse(bytes, name);
      add_blob(manifest.config);
      for (const auto& layer : manifest.layers) add_blob(layer);
    }
    out_.documents.push_back({descriptor, std::move(bytes)});
  }

  // An index may list anything; what is no document is content (image-spec image-index.md).
  void visit_entry(const oci::Descriptor& entry, int depth) {
    if (oci::media_type::is_index(entry.media_type) || oci::media_type::is_manifest(entry.media_type))
      visit(entry, depth);
    else
      add_blob(entry);
  }

  void add_blob(const oci::Descriptor& blob) {
    if (!oci::media_type::is_foreign_layer(blob.media_type) && seen_.insert(blob.digest).second)
      out_.blobs.push_back(blob);
  }

  ImageSource& from_;
  ImageContents out_;
  std::set<oci::Digest> seen_;
  std::uint64_t size_ = 0;
};

}  // namespace

std::string StoreSource::document(const oci::Descriptor& descriptor) {
  return store_.read(descriptor, oci::kMaxDocumentSize);
}

std::unique_ptr<BlobSource> StoreSource::blob(const oci::Descriptor& descriptor) {
  return open_stored(store_, descriptor);
}

std::string RepositorySource::document(const oci::Descriptor& descriptor) {
  auto content = client_.manifest(descriptor.digest.to_string());
  if (content.bytes.size() != descriptor.size)
    throw Error(ErrorCode::corrupt, concat("manifest ", descriptor.digest.to_string(), " has ",
                                           content.bytes.size(), " bytes instead of ", descriptor.size));
  return std::move(content.bytes);
}

std::unique_ptr<BlobSource> RepositorySource::blob(const oci::Descriptor& descriptor) {
  return client_.blob(descriptor);
}

std::optional<oci::Reference> RepositorySource::place() const {
  return oci::Reference{client_.registry(), client_.repository(), {}, std::nullopt};
}

ImageContents read_contents(ImageSource& from, const oci::Descriptor& root) {
  return Reader(from).read(root);
}

}  // namespace dash::registry
