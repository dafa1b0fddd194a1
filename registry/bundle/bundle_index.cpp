#include "registry/bundle/bundle_index.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"

#include <set>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr const char* kBundleVersion = "bundleVersion";
constexpr const char* kInventoryVersion = "inventoryVersion";
constexpr std::uint64_t kMaxTotal = std::uint64_t{1} << 50;

OrderedJson write_descriptor(const oci::Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type},
          {"digest", descriptor.digest.to_string()},
          {"size", descriptor.size}};
}

OrderedJson write(const std::vector<BundledImage>& images) {
  auto out = OrderedJson::array();
  for (const auto& image : images) {
    OrderedJson entry = {{"name", image.name}};
    entry.update(write_descriptor(image.image));
    out.push_back(std::move(entry));
  }
  return out;
}

OrderedJson write(const std::vector<BundledBlob>& blobs) {
  auto out = OrderedJson::array();
  for (const auto& blob : blobs) {
    auto entry = write_descriptor(blob.blob);
    entry["repositories"] = blob.repositories;
    out.push_back(std::move(entry));
  }
  return out;
}

// Reads one document, and remembers what it met.
class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  Json document(std::string_view text, const char* version) const {
    auto json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains(version)) fail(concat("it has no \"", version, '"'));
    if (json[version] != kVersion)
      throw Error(ErrorCode::unsupported, concat(name_, " has version ", json[version].dump(),
                                                 "; this program knows version ", kVersion))
          .with_hint("use a newer dash-build");
    return json;
  }

  std::vector<BundledImage> images(const Json& parent, const char* key) const {
    std::vector<BundledImage> out;
    for (const auto& entry : list(parent, key)) {
      auto name = text(entry, "name");
      check_name(name);
      out.push_back({std::move(name), descriptor(entry)});
    }
    return out;
  }

  std::vector<BundledBlob> blobs(const Json& parent, const char* key) {
    std::vector<BundledBlob> out;
    for (const auto& entry : list(parent, key)) {
      BundledBlob blob{descriptor(entry), {}};
      for (const auto& repository : list(entry, "repositories")) {
        if (!repository.is_string()) fail("\"repositories\" holds something that is no string");
        blob.repositories.push_back(repository.get<std::string>());
        check_name(blob.repositories.back());
      }
      if (!seen_.insert(blob.blob.digest).second)
        fail(concat(blob.blob.digest.to_string(), " is listed twice"));
      total_ += blob.blob.size;
      if (blob.blob.size > kMaxTotal || total_ > kMaxTotal) fail("the sizes are impossible");
      out.push_back(std::move(blob));
    }
    return out;
  }

  Inventory inventory(const Json& json) {
    Inventory out;
    out.images = images(json, "images");
    out.blobs = blobs(json, "blobs");
    return out;
  }

  const Json& object(const Json& parent, const char* key) const {
    const auto found = parent.find(key);
    if (found == parent.end() || !found->is_object()) fail(concat("it has no object \"", key, '"'));
    return *found;
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::corrupt, concat(name_, " is damaged: ", why))
        .with_hint("get the file again, or make it anew");
  }

 private:
  const Json& list(const Json& parent, const char* key) const {
    if (!parent.is_object()) fail("an entry is no object");
    const auto found = parent.find(key);
    if (found == parent.end() || !found->is_array()) fail(concat("there is no list \"", key, '"'));
    return *found;
  }
  std::string text(const Json& parent, const char* key) const {
    if (!parent.is_object()) fail("an entry is no object");
    const auto found = parent.find(key);
    if (found == parent.end() || !found->is_string()) fail(concat("there is no text \"", key, '"'));
    return found->get<std::string>();
  }
  oci::Descriptor descriptor(const Json& entry) const {
    auto type = text(entry, "mediaType");
    const auto digest = oci::Digest::try_parse(text(entry, "digest"));
    if (!digest) fail(concat(dash::quoted(text(entry, "digest")), " is no digest"));
    const auto size = entry.find("size");
    if (size == entry.end() || !size->is_number_unsigned()) fail("there is no \"size\"");
    return {std::move(type), *digest, size->get<std::uint64_t>(), {}, std::nullopt};
  }
  void check_name(const std::string& name) const {
    try {
      oci::Reference::parse(name);
    } catch (const Error& error) {
      fail(error.message());
    }
  }

  const std::string& name_;
  std::set<oci::Digest> seen_;
  std::uint64_t total_ = 0;
};

}  // namespace

Inventory Inventory::parse(std::string_view json, const std::string& name) {
  Reader reader(name);
  return reader.inventory(reader.document(json, kInventoryVersion));
}

std::string Inventory::to_json() const {
  const OrderedJson out = {{kInventoryVersion, kVersion}, {"images", write(images)}, {"blobs", write(blobs)}};
  return out.dump(2) + '\n';
}

BundleIndex BundleIndex::parse(std::string_view json, const std::string& name) {
  Reader reader(name);
  const auto document = reader.document(json, kBundleVersion);
  BundleIndex out;
  out.images = reader.images(document, "images");
  out.documents = reader.blobs(document, "documents");
  out.blobs = reader.blobs(document, "blobs");
  out.required = reader.inventory(reader.object(document, "required"));
  std::set<oci::Digest> documents;
  for (const auto& entry : out.documents) documents.insert(entry.blob.digest);
  for (const auto& image : out.images)
    if (!documents.contains(image.image.digest)) reader.fail(concat("it lacks the manifest of ", image.name));
  return out;
}

std::string BundleIndex::to_json() const {
  const OrderedJson out = {
      {kBundleVersion, kVersion},
      {"images", write(images)},
      {"documents", write(documents)},
      {"blobs", write(blobs)},
      {"required", {{"images", write(required.images)}, {"blobs", write(required.blobs)}}}};
  return out.dump(1) + '\n';
}

Inventory BundleIndex::inventory() const {
  Inventory out{images, documents};
  out.images.insert(out.images.end(), required.images.begin(), required.images.end());
  out.blobs.insert(out.blobs.end(), blobs.begin(), blobs.end());
  out.blobs.insert(out.blobs.end(), required.blobs.begin(), required.blobs.end());
  return out;
}

std::string_view without_registry(std::string_view name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return name;
  return oci::Reference::parse(name).registry.empty() ? name : name.substr(slash + 1);
}

}  // namespace dash::registry
