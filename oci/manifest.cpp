#include "oci/manifest.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::oci {

namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// Runs `read` on the parsed document; whatever JSON fault it meets becomes an Error that names the document.
template <class Read>
auto parse_document(std::string_view text, std::string_view name, Read&& read) {
  try {
    const auto json = Json::parse(text);
    if (!json.is_object()) throw Error(ErrorCode::corrupt, concat(name, " is not a JSON object"));
    return read(json);
  } catch (const Json::exception& fault) {
    throw Error(ErrorCode::corrupt, concat(name, " is not what its media type says: ", fault.what()));
  }
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::string() : found->get<std::string>();
}

std::vector<std::string> text_list(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::vector<std::string>()
                                                   : found->get<std::vector<std::string>>();
}

std::map<std::string, std::string> text_map(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::map<std::string, std::string>()
                                                   : found->get<std::map<std::string, std::string>>();
}

// Keys of an object that is used as a set ("ExposedPorts": {"5000/tcp": {}}).
std::vector<std::string> key_list(const Json& object, const char* key) {
  std::vector<std::string> out;
  const auto found = object.find(key);
  if (found != object.end() && found->is_object())
    for (const auto& item : found->items()) out.push_back(item.key());
  return out;
}

OrderedJson key_set(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  auto out = OrderedJson::object();
  for (const auto& key : keys) out[key] = OrderedJson::object();
  return out;
}

OrderedJson to_object(const std::map<std::string, std::string>& map) {
  auto out = OrderedJson::object();
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

Platform read_platform(const Json& json) {
  return {text_or_empty(json, "os"), text_or_empty(json, "architecture"), text_or_empty(json, "variant")};
}

Descriptor read_descriptor(const Json& json, std::string_view name) {
  const auto& size = json.at("size");
  if (!size.is_number_unsigned())
    throw Error(ErrorCode::corrupt, concat(name, ": a descriptor has no valid size"));
  Descriptor out{text_or_empty(json, "mediaType"), Digest::parse(json.at("digest").get<std::string>()),
                 size.get<std::uint64_t>(), text_map(json, "annotations"), std::nullopt};
  if (const auto found = json.find("platform"); found != json.end() && found->is_object())
    out.platform = read_platform(*found);
  return out;
}

OrderedJson write_descriptor(const Descriptor& descriptor) {
  OrderedJson out;
  out["mediaType"] = descriptor.media_type;
  out["digest"] = descriptor.digest.to_string();
  out["size"] = descriptor.size;
  if (!descriptor.annotations.empty()) out["annotations"] = to_object(descriptor.annotations);
  if (descriptor.platform) {
    out["platform"]["architecture"] = descriptor.platform->architecture;
    out["platform"]["os"] = descriptor.platform->os;
    if (!descriptor.platform->variant.empty()) out["platform"]["variant"] = descriptor.platform->variant;
  }
  return out;
}

void check_schema_version(const Json& json, std::string_view name) {
  if (json.value("schemaVersion", 0) != 2)
    throw Error(ErrorCode::unsupported,
                concat(name, " has schema version ",
                       json.contains("schemaVersion") ? json["schemaVersion"].dump() : "none",
                       "; only 2 is supported"));
}

HistoryEntry read_history(const Json& json) {
  return {text_or_empty(json, "created"), text_or_empty(json, "created_by"), text_or_empty(json, "comment"),
          json.value("empty_layer", false)};
}

OrderedJson write_history(const HistoryEntry& entry) {
  auto out = OrderedJson::object();
  if (!entry.created.empty()) out["created"] = entry.created;
  if (!entry.created_by.empty()) out["created_by"] = entry.created_by;
  if (!entry.comment.empty()) out["comment"] = entry.comment;
  if (entry.empty_layer) out["empty_layer"] = true;
  return out;
}

}  // namespace

Manifest Manifest::parse(std::string_view text, std::string_view name) {
  return parse_document(text, name, [&](const Json& json) {
    check_schema_version(json, name);
    Manifest out{read_descriptor(json.at("config"), name),
                 {},
                 text_map(json, "annotations"),
                 text_or_empty(json, "artifactType")};
    for (const auto& layer : json.at("layers")) out.layers.push_back(read_descriptor(layer, name));
    return out;
  });
}

std::string Manifest::artifact() const {
  // "application/octet-stream" is what Docker before 1.10 called the configuration of an image.
  const auto& type = config.media_type;
  if (type.empty() || type == media_type::kConfig || type == media_type::kDockerConfig ||
      type == "application/octet-stream")
    return {};
  return artifact_type.empty() ? type : artifact_type;
}

std::string Manifest::to_json() const {
  OrderedJson out;
  out["schemaVersion"] = 2;
  out["mediaType"] = media_type::kManifest;
  if (!artifact_type.empty()) out["artifactType"] = artifact_type;
  out["config"] = write_descriptor(config);
  out["layers"] = OrderedJson::array();
  for (const auto& layer : layers) out["layers"].push_back(write_descriptor(layer));
  if (!annotations.empty()) out["annotations"] = to_object(annotations);
  return out.dump();
}

Index Index::parse(std::string_view text, std::string_view name) {
  return parse_document(text, name, [&](const Json& json) {
    check_schema_version(json, name);
    Index out;
    out.annotations = text_map(json, "annotations");
    for (const auto& entry : json.at("manifests")) out.manifests.push_back(read_descriptor(entry, name));
    return out;
  });
}

std::string Index::to_json() const {
  OrderedJson out;
  out["schemaVersion"] = 2;
  out["mediaType"] = media_type::kIndex;
  out["manifests"] = OrderedJson::array();
  for (const auto& entry : manifests) out["manifests"].push_back(write_descriptor(entry));
  if (!annotations.empty()) out["annotations"] = to_object(annotations);
  return out.dump();
}

ImageConfig ImageConfig::parse(std::string_view text, std::string_view name) {
  return parse_document(text, name, [&](const Json& json) {
    ImageConfig out;
    out.created = text_or_empty(json, "created");
    out.platform = read_platform(json);
    if (const auto found = json.find("config"); found != json.end() && found->is_object()) {
      const auto& config = *found;
      out.user = text_or_empty(config, "User");
      out.exposed_ports = key_list(config, "ExposedPorts");
      out.environment = text_list(config, "Env");
      out.entrypoint = text_list(config, "Entrypoint");
      out.cmd = text_list(config, "Cmd");
      out.volumes = key_list(config, "Volumes");
      out.working_directory = text_or_empty(config, "WorkingDir");
      out.labels = text_map(config, "Labels");
      out.stop_signal = text_or_empty(config, "StopSignal");
    }
    for (const auto& id : json.at("rootfs").at("diff_ids"))
      out.diff_ids.push_back(DiffId::parse(id.get<std::string>()));
    if (const auto found = json.find("history"); found != json.end() && found->is_array())
      for (const auto& entry : *found) out.history.push_back(read_history(entry));
    for (const auto& [key, value] : json.items())
      if (key.find('.') != std::string::npos) out.extensions[key] = value.dump();
    return out;
  });
}

std::string ImageConfig::to_json() const {
  OrderedJson out;
  if (!created.empty()) out["created"] = created;
  out["architecture"] = platform.architecture;
  out["os"] = platform.os;
  if (!platform.variant.empty()) out["variant"] = platform.variant;
  auto config = OrderedJson::object();
  if (!user.empty()) config["User"] = user;
  if (!exposed_ports.empty()) config["ExposedPorts"] = key_set(exposed_ports);
  if (!environment.empty()) config["Env"] = environment;
  if (!entrypoint.empty()) config["Entrypoint"] = entrypoint;
  if (!cmd.empty()) config["Cmd"] = cmd;
  if (!volumes.empty()) config["Volumes"] = key_set(volumes);
  if (!working_directory.empty()) config["WorkingDir"] = working_directory;
  if (!labels.empty()) config["Labels"] = to_object(labels);
  if (!stop_signal.empty()) config["StopSignal"] = stop_signal;
  out["config"] = config;
  out["rootfs"]["type"] = "layers";
  out["rootfs"]["diff_ids"] = OrderedJson::array();
  for (const auto& id : diff_ids) out["rootfs"]["diff_ids"].push_back(id.to_string());
  if (!history.empty()) {
    out["history"] = OrderedJson::array();
    for (const auto& entry : history) out["history"].push_back(write_history(entry));
  }
  for (const auto& [name, text] : extensions) out[name] = OrderedJson::parse(text);
  // Names and values come from files that people write; bytes that are not UTF-8 must not abort the build.
  return out.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void ImageConfig::set_environment(std::string_view name, std::string_view value) {
  const auto entry = concat(name, '=', value);
  const auto found = std::find_if(environment.begin(), environment.end(), [&](const std::string& existing) {
    return existing.starts_with(concat(name, '='));
  });
  if (found == environment.end())
    environment.push_back(entry);
  else
    *found = entry;
}

std::optional<std::string> ImageConfig::environment_value(std::string_view name) const {
  for (const auto& entry : environment)
    if (entry.starts_with(concat(name, '='))) return entry.substr(name.size() + 1);
  return std::nullopt;
}

}  // namespace dash::oci
