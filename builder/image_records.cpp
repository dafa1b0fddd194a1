#include "builder/image_records.hpp"

#include "builder/layer_annotations.hpp"

#include <exception>

#include <nlohmann/json.hpp>

namespace dash::builder {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

// As a record has it: what the image's manifest adds is left out.
oci::Layer recorded_layer(const oci::Descriptor& blob, const oci::DiffId& diff_id) {
  oci::Layer out{blob, diff_id};
  out.blob.annotations.erase(kStepAnnotation);
  return out;
}

StepKey read_key(const std::string& hex) {
  const auto value = sha256_from_hex(hex);
  if (!value) throw std::invalid_argument("not a key");
  return StepKey(*value);
}

ImageRecords read(const Json& json, const oci::Manifest& manifest, const oci::ImageConfig& config) {
  ImageRecords out;
  if (json.at("version") != kVersion || manifest.layers.size() != config.diff_ids.size()) return out;
  std::size_t next = 0;
  for (const auto& step : json.at("steps")) {
    StepRecord record;
    record.step = step.at("step").get<std::string>();
    for (const auto& leaf : step.at("leaves").items())
      record.leaves.push_back({leaf.value().at(0).get<std::string>(), leaf.value().at(1).get<std::string>()});
    for (const auto& fact : step.at("facts").items())
      record.facts[fact.key()] = fact.value().get<std::string>();
    for (auto count = step.at("layers").get<std::size_t>(); count > 0; --count, ++next) {
      const auto layer = recorded_layer(manifest.layers.at(next), config.diff_ids.at(next));
      record.layers.push_back(layer);
      if (const auto key = layer.blob.annotations.find(kLayerKeyAnnotation);
          key != layer.blob.annotations.end())
        out.layers.push_back({read_key(key->second), {record.step, {}, {layer}, {}, 0}});
    }
    out.steps.push_back({read_key(step.at("key").get<std::string>()), std::move(record)});
  }
  return next == manifest.layers.size() ? out : ImageRecords{};
}

}  // namespace

std::string image_records_json(const std::vector<KeyedRecord>& steps) {
  Json out;
  out["version"] = kVersion;
  out["steps"] = Json::array();
  for (const auto& [key, record] : steps) {
    auto& step = out["steps"].emplace_back();
    step["step"] = record.step;
    step["key"] = key.hex();
    step["layers"] = record.layers.size();
    step["leaves"] = Json::array();
    for (const auto& leaf : record.leaves) step["leaves"].push_back(Json::array({leaf.name, leaf.value}));
    step["facts"] = Json::object();
    for (const auto& [name, value] : record.facts) step["facts"][name] = value;
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ImageRecords read_image_records(const oci::Manifest& manifest, const oci::ImageConfig& config) {
  const auto found = config.extensions.find(kRecordsExtension);
  if (found == config.extensions.end()) return {};
  try {
    return read(Json::parse(found->second), manifest, config);
  } catch (const std::exception&) {  // they only save work: whatever is wrong with them, steps run
    return {};
  }
}

}  // namespace dash::builder
