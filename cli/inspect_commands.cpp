// `inspect` and `images`: what images, indexes and artifacts there are, and what is in them.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/layer_annotations.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/report.hpp"
#include "cli/wording.hpp"

#include <iostream>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Json = nlohmann::ordered_json;

void print_json(const Json& json) {
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

std::string annotation_of(const oci::Descriptor& descriptor, const char* key) {
  const auto found = descriptor.annotations.find(key);
  return found == descriptor.annotations.end() ? "" : found->second;
}

std::string step_of(const oci::Descriptor& layer) {
  return annotation_of(layer, builder::kStepAnnotation);
}

oci::Manifest read_manifest(const oci::BlobStore& store, const oci::Descriptor& manifest) {
  return oci::Manifest::parse(store.read(manifest, oci::kMaxDocumentSize),
                              concat("manifest ", manifest.digest.to_string()));
}

// What a name stands for.
struct Content {
  unsigned images = 0;     // of an index, attestations not counted
  std::string artifact;    // the type of one that is no image
  std::size_t layers = 0;  // different ones
  std::uint64_t bytes = 0;
};

class ContentReader {
 public:
  explicit ContentReader(const oci::BlobStore& store) : store_(store) {}

  Content read(const oci::Descriptor& root) {
    visit(root, 0);
    if (oci::media_type::is_index(root.media_type)) out_.artifact.clear();
    return out_;
  }

 private:
  static constexpr int kMaxDepth = 8;

  void visit(const oci::Descriptor& descriptor, int depth) {
    if (depth > kMaxDepth || !seen_.insert(descriptor.digest).second) return;
    if (oci::media_type::is_index(descriptor.media_type)) {
      const auto name = concat("index ", descriptor.digest.to_string());
      for (const auto& entry :
           oci::Index::parse(store_.read(descriptor, oci::kMaxDocumentSize), name).manifests)
        visit(entry, depth + 1);
    } else if (oci::media_type::is_manifest(descriptor.media_type)) {
      const auto manifest = read_manifest(store_, descriptor);
      out_.artifact = manifest.artifact();
      if (out_.artifact.empty() && annotation_of(descriptor, "vnd.docker.reference.type").empty())
        ++out_.images;
      for (const auto& layer : manifest.layers) add(layer);
    } else {
      add(descriptor);
    }
  }

  void add(const oci::Descriptor& layer) {
    if (!seen_.insert(layer.digest).second) return;
    ++out_.layers;
    out_.bytes += layer.size;
  }

  const oci::BlobStore& store_;
  Content out_;
  std::set<oci::Digest> seen_;
};

Json layer_json(const oci::Descriptor& blob, const std::string& diff_id) {
  Json out = {{"step", step_of(blob)}, {"digest", blob.digest.to_string()}};
  if (!diff_id.empty()) out["diffId"] = diff_id;
  out["size"] = blob.size;
  out["mediaType"] = blob.media_type;
  return out;
}

void print_size(const oci::Manifest& manifest) {
  std::uint64_t bytes = 0;
  for (const auto& layer : manifest.layers) bytes += layer.size;
  std::cout << "size        " << human_size(bytes) << " in " << counted(manifest.layers.size(), "layer")
            << '\n';
}

void print_artifact(const oci::Descriptor& descriptor, const oci::Manifest& manifest, bool json) {
  if (json) {
    Json out = {{"digest", descriptor.digest.to_string()},
                {"mediaType", descriptor.media_type},
                {"artifactType", manifest.artifact()},
                {"config", {{"digest", manifest.config.digest.to_string()}, {"size", manifest.config.size}}},
                {"annotations", manifest.annotations},
                {"layers", Json::array()}};
    for (const auto& layer : manifest.layers) out["layers"].push_back(layer_json(layer, {}));
    return print_json(out);
  }
  std::cout << "digest      " << descriptor.digest.to_string() << '\n'
            << "artifact    " << manifest.artifact() << '\n'
            << "config      " << manifest.config.digest.to_string() << '\n';
  print_size(manifest);
  for (const auto& layer : manifest.layers)
    std::cout << pad(layer.media_type, 16) << ' ' << layer.digest.to_string() << ' ' << human_size(layer.size)
              << '\n';
}

// `index` is what the name stands for when that is no image itself.
Json image_json(const oci::StoredImage& image, const std::optional<oci::Digest>& index) {
  Json out;
  if (index) out["index"] = index->to_string();
  out["digest"] = image.descriptor.digest.to_string();
  out["mediaType"] = image.descriptor.media_type;
  out["config"] = {{"digest", image.manifest.config.digest.to_string()},
                   {"size", image.manifest.config.size}};
  out["platform"] = to_string(image.config.platform);
  out["created"] = image.config.created;
  out["user"] = image.config.user;
  out["workingDirectory"] = image.config.working_directory;
  out["entrypoint"] = image.config.entrypoint;
  out["cmd"] = image.config.cmd;
  out["exposedPorts"] = image.config.exposed_ports;
  out["environment"] = image.config.environment;
  out["labels"] = image.config.labels;
  out["layers"] = Json::array();
  for (const auto& layer : image.layers())
    out["layers"].push_back(layer_json(layer.blob, layer.diff_id.to_string()));
  return out;
}

void print_image(const oci::StoredImage& image, const std::optional<oci::Digest>& index) {
  const auto layers = image.layers();
  if (index) std::cout << "index       " << index->to_string() << '\n';
  std::cout << "digest      " << image.descriptor.digest.to_string() << '\n'
            << "config      " << image.manifest.config.digest.to_string() << '\n'
            << "platform    " << to_string(image.config.platform) << '\n'
            << "user        " << image.config.user << '\n'
            << "entrypoint  " << shell_join(image.config.entrypoint) << '\n'
            << "cmd         " << shell_join(image.config.cmd) << '\n';
  print_size(image.manifest);
  for (const auto& layer : layers)
    std::cout << pad(step_of(layer.blob), 16) << ' ' << layer.blob.digest.to_string() << ' '
              << human_size(layer.blob.size) << '\n';
  for (const auto& variable : image.config.environment) std::cout << "env         " << variable << '\n';
}

Json json_of(const std::string& name, const oci::Descriptor& entry, const Content& content) {
  const bool is_index = oci::media_type::is_index(entry.media_type);
  Json out = {{"name", name}, {"digest", entry.digest.to_string()}, {"mediaType", entry.media_type}};
  if (is_index) out["images"] = content.images;
  if (!content.artifact.empty()) out["artifactType"] = content.artifact;
  out["layers"] = content.layers;
  out["size"] = content.bytes;
  return out;
}

std::string line_of(const std::string& name, const oci::Descriptor& entry, const Content& content) {
  auto out = concat(pad(name, 32), ' ', entry.digest.to_string(), ' ', human_size(content.bytes));
  if (oci::media_type::is_index(entry.media_type))
    out += concat("  index of ", counted(content.images, "image"));
  if (!content.artifact.empty()) out += concat("  artifact ", content.artifact);
  return out;
}

}  // namespace

int run_command(const InspectOptions& options, std::stop_token) {
  const auto host = read_host_settings(options.common);
  const auto found = open_local(options.image, options.common.home, host);
  const bool is_index = oci::media_type::is_index(found.image.media_type);
  if (!is_index)
    if (const auto manifest = read_manifest(*found.store, found.image); !manifest.artifact().empty()) {
      print_artifact(found.image, manifest, options.json);
      return 0;
    }
  const auto image = oci::load_image(*found.store, found.image, host_platform(host));
  const auto index = is_index ? std::optional(found.image.digest) : std::nullopt;
  if (options.json)
    print_json(image_json(image, index));
  else
    print_image(image, index);
  return 0;
}

// One that is damaged does not hide the others.
int run_command(const ImagesOptions& options, std::stop_token) {
  const auto store = open_store(options.common);
  auto out = Json::array();
  std::optional<Error> fault;
  for (const auto& entry : store.layout().index().manifests) {
    const auto name = annotation_of(entry, oci::annotation::kRefName);
    try {
      const auto content = ContentReader(store.layout()).read(entry);
      if (options.json)
        out.push_back(json_of(name, entry, content));
      else
        std::cout << line_of(name, entry, content) << '\n';
    } catch (Error& error) {
      error.add_context(concat("while reading ", name));
      if (!fault) fault = error;
    }
  }
  if (options.json) print_json(out);
  if (fault)
    throw std::move(*fault).with_hint(
        "'dash-build validate' names every fault; 'dash-build rm' removes an image, a build or pull brings "
        "it anew");
  return 0;
}

}  // namespace dash::cli
