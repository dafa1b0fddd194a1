// `inspect`, `images`, `rm`, `gc`, `validate`: looking at the store and keeping it small.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/collect_garbage.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/quantities.hpp"
#include "cli/registry_access.hpp"
#include "cli/report.hpp"
#include "oci/reference.hpp"
#include "registry/blob_places.hpp"

#include <ctime>
#include <iostream>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Json = nlohmann::ordered_json;

void print_json(const Json& json) {
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

// Seconds that the places of blobs in registries are remembered: a month.
constexpr std::time_t kPlacesKept = std::time_t{30} * 24 * 3600;

std::string step_of(const oci::Descriptor& layer) {
  const auto found = layer.annotations.find("io.dash-build.step");
  return found == layer.annotations.end() ? "" : found->second;
}

std::uint64_t layer_bytes(const oci::Manifest& manifest) {
  std::uint64_t sum = 0;
  for (const auto& layer : manifest.layers) sum += layer.size;
  return sum;
}

// "1 fault", "2 faults".
std::string count(std::uint64_t number, std::string_view one, std::string_view many) {
  return concat(number, ' ', number == 1 ? one : many);
}

std::string name_of(const oci::Descriptor& entry) {
  const auto found = entry.annotations.find(oci::annotation::kRefName);
  return found == entry.annotations.end() ? "" : found->second;
}

}  // namespace

int run_command(const InspectOptions& options, std::stop_token) {
  const auto found = find_image(options.image, options.common.home, read_host_settings(options.common));
  const auto& image = found.image;
  const auto layers = image.layers();
  if (options.json) {
    Json out;
    out["digest"] = image.descriptor.digest.to_string();
    out["mediaType"] = image.descriptor.media_type;
    out["config"] = {{"digest", image.manifest.config.digest.to_string()},
                     {"size", image.manifest.config.size}};
    out["platform"] = concat(image.config.platform.os, '/', image.config.platform.architecture);
    out["created"] = image.config.created;
    out["user"] = image.config.user;
    out["workingDirectory"] = image.config.working_directory;
    out["entrypoint"] = image.config.entrypoint;
    out["cmd"] = image.config.cmd;
    out["exposedPorts"] = image.config.exposed_ports;
    out["environment"] = image.config.environment;
    out["labels"] = image.config.labels;
    out["layers"] = Json::array();
    for (const auto& layer : layers)
      out["layers"].push_back({{"step", step_of(layer.blob)},
                               {"digest", layer.blob.digest.to_string()},
                               {"diffId", layer.diff_id.to_string()},
                               {"size", layer.blob.size},
                               {"mediaType", layer.blob.media_type}});
    print_json(out);
    return 0;
  }
  std::cout << "digest      " << image.descriptor.digest.to_string() << '\n'
            << "config      " << image.manifest.config.digest.to_string() << '\n'
            << "platform    " << image.config.platform.os << '/' << image.config.platform.architecture << '\n'
            << "user        " << image.config.user << '\n'
            << "entrypoint  " << shell_join(image.config.entrypoint) << '\n'
            << "cmd         " << shell_join(image.config.cmd) << '\n'
            << "size        " << human_size(layer_bytes(image.manifest)) << " in "
            << count(layers.size(), "layer", "layers") << '\n';
  for (const auto& layer : layers)
    std::cout << pad(step_of(layer.blob), 16) << ' ' << layer.blob.digest.to_string() << ' '
              << human_size(layer.blob.size) << '\n';
  for (const auto& variable : image.config.environment) std::cout << "env         " << variable << '\n';
  return 0;
}

int run_command(const ImagesOptions& options, std::stop_token) {
  const auto store = open_store(options.common);
  auto out = Json::array();
  for (const auto& entry : store.layout().index().manifests) {
    const auto image = store.layout().load(entry);
    const auto size = layer_bytes(image.manifest);
    if (options.json)
      out.push_back({{"name", name_of(entry)},
                     {"digest", entry.digest.to_string()},
                     {"layers", image.manifest.layers.size()},
                     {"size", size}});
    else
      std::cout << pad(name_of(entry), 32) << ' ' << entry.digest.to_string() << ' ' << human_size(size)
                << '\n';
  }
  if (options.json) print_json(out);
  return 0;
}

int run_command(const RemoveOptions& options, std::stop_token) {
  auto store = open_store(options.common);
  std::vector<std::string> names;
  std::vector<std::string> missing;
  for (const auto& text : options.names) {
    names.push_back(oci::Reference::parse(text).with_default_tag().to_string());
    if (!store.layout().find(names.back())) missing.push_back(names.back());
  }
  if (!missing.empty())
    throw Error(ErrorCode::not_found, concat("there is no image ", join(missing, ", "), " in the store"))
        .with_hint("nothing was removed; 'dash-build images' lists what is there");
  for (const auto& name : names) store.layout().untag(name);
  return 0;
}

int run_command(const CollectOptions& options, std::stop_token stop) {
  builder::GarbageOptions garbage;
  garbage.older_than = parse_duration(options.older_than, "--older-than");
  if (!options.keep_bytes.empty()) garbage.keep_bytes = parse_size(options.keep_bytes, "--keep-bytes");
  auto store = open_store(options.common);
  const auto collected = builder::collect_garbage(store, garbage, std::move(stop));
  if (!collected)
    throw Error(ErrorCode::unavailable, "a build is using the store; nothing was removed")
        .with_hint("run 'dash-build gc' again when it is done");
  registry::BlobPlaces(registry::places_directory(transfers_directory(store.home())))
      .remove_before(std::time(nullptr) - kPlacesKept);
  std::cout << "freed " << human_size(collected->bytes) << " in "
            << count(collected->removed, "file or directory", "files and directories") << '\n';
  return 0;
}

int run_command(const ValidateOptions& options, std::stop_token) {
  const auto store = open_store(options.common);
  const auto faults = store.layout().validate();
  for (const auto& fault : faults) std::cout << fault << '\n';
  if (!faults.empty())
    throw Error(ErrorCode::corrupt,
                concat(store.layout().directory().string(), " has ", count(faults.size(), "fault", "faults")))
        .with_hint(
            "remove the images that are named with 'dash-build rm', run 'dash-build gc', and build again");
  std::cout << "valid\n";
  return 0;
}

}  // namespace dash::cli
