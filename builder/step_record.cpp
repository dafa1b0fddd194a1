#include "builder/step_record.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

#include <boost/filesystem/directory.hpp>
#include <nlohmann/json.hpp>

namespace dash::builder {

namespace {

using Json = nlohmann::ordered_json;
constexpr int kVersion = 1;

Json json_of(const StepRecord& record) {
  Json out;
  out["version"] = kVersion;
  out["step"] = record.step;
  out["seconds"] = record.seconds;
  out["leaves"] = Json::array();
  for (const auto& leaf : record.leaves)
    out["leaves"].push_back({{"name", leaf.name}, {"value", leaf.value}});
  out["layers"] = Json::array();
  for (const auto& layer : record.layers) {
    out["layers"].push_back({{"mediaType", layer.blob.media_type},
                             {"digest", layer.blob.digest.to_string()},
                             {"size", layer.blob.size},
                             {"diffId", layer.diff_id.to_string()}});
    if (!layer.blob.annotations.empty()) out["layers"].back()["annotations"] = layer.blob.annotations;
  }
  out["facts"] = Json::object();
  for (const auto& [name, value] : record.facts) out["facts"][name] = value;
  return out;
}

StepRecord from_json(const Json& json) {
  StepRecord out;
  out.step = json.at("step").get<std::string>();
  out.seconds = json.at("seconds").get<double>();
  for (const auto& leaf : json.at("leaves"))
    out.leaves.push_back({leaf.at("name").get<std::string>(), leaf.at("value").get<std::string>()});
  for (const auto& layer : json.at("layers"))
    out.layers.push_back(
        {{layer.at("mediaType").get<std::string>(), oci::Digest::parse(layer.at("digest").get<std::string>()),
          layer.at("size").get<std::uint64_t>(), layer.value("annotations", oci::Annotations()),
          std::nullopt},
         oci::DiffId::parse(layer.at("diffId").get<std::string>())});
  for (const auto& fact : json.at("facts").items()) out.facts[fact.key()] = fact.value().get<std::string>();
  return out;
}

StepKey variant_key(const StepKey& key, std::string_view variant) {
  return StepKey(sha256(concat(key.hex(), ' ', kVariantFact, ' ', variant)));
}

}  // namespace

std::string to_json(const StepRecord& record) {
  return json_of(record).dump(2) + "\n";
}

std::optional<StepRecord> parse_step_record(std::string_view text) {
  try {
    const auto json = Json::parse(text);
    if (json.at("version") != kVersion) return std::nullopt;
    return from_json(json);
  } catch (
      const std::exception&) {  // a record only saves work: whatever is wrong with it, the step runs again
    return std::nullopt;
  }
}

void StepRecord::keep_lines(const ShownLines& lines) {
  for (const auto& [name, content] : lines) facts[concat(kLinesFact, name)] = join(content, "\n");
}

ShownLines StepRecord::lines() const {
  ShownLines out;
  for (const auto& [name, content] : facts) {
    if (!name.starts_with(kLinesFact)) continue;
    auto& lines = out[name.substr(std::string_view(kLinesFact).size())];
    for (const auto line : split_lines(content)) lines.emplace_back(line);
  }
  return out;
}

fs::path StepRecords::record_path(std::string_view key_hex) const {
  return store_.records() / directory_ / concat(key_hex, ".json");
}

fs::path StepRecords::app_path(std::string_view app, std::string_view step) const {
  return store_.records() / "apps" / to_hex(sha256(app)) / std::string(step);
}

std::optional<StepRecord> StepRecords::load(const fs::path& file) const {
  const auto text = read_file_if_exists(file);
  return text ? parse_step_record(*text) : std::nullopt;
}

std::optional<StepRecord> StepRecords::find(const StepKey& key) const {
  auto record = load(record_path(key.hex()));
  if (!record) return std::nullopt;
  const bool complete =
      std::all_of(record->layers.begin(), record->layers.end(),
                  [&](const oci::Layer& layer) { return store_.layers().claim(layer.blob.digest); });
  return complete ? record : std::nullopt;
}

std::optional<StepRecord> StepRecords::find(const StepKey& key, std::string_view variant) const {
  for (const auto& place : {key, variant_key(key, variant)}) {
    auto record = find(place);
    if (!record) continue;
    const auto made_for = record->facts.find(kVariantFact);
    if (made_for == record->facts.end() || made_for->second == variant) return record;
  }
  return std::nullopt;
}

void StepRecords::save(const StepKey& key, const StepRecord& record) {
  const auto text = to_json(record);
  const auto path = record_path(key.hex());
  make_directories(path.parent_path());
  // Whoever removes what is incomplete must not take this one for what was there before.
  const auto held = oci::lock_out_eviction(store_.layout().directory());
  if (const auto variant = record.facts.find(kVariantFact); variant != record.facts.end())
    write_file_atomic(record_path(variant_key(key, variant->second).hex()), text);
  write_file_atomic(path, text);
}

void StepRecords::adopt(const std::vector<KeyedRecord>& records) {
  for (const auto& [key, record] : records) {
    const auto variant = record.facts.find(kVariantFact);
    if (!find(key, variant == record.facts.end() ? "" : variant->second)) save(key, record);
  }
}

std::uint64_t StepRecords::remove_incomplete(const std::function<void(const StepRecord& record)>& kept) {
  std::uint64_t removed = 0;
  boost::system::error_code absent;
  for (fs::directory_iterator file(store_.records() / directory_, absent), end; file != end; ++file) {
    if (!sha256_from_hex(file->path().stem().string())) continue;
    const auto record = load(file->path());
    if (record && std::ranges::all_of(record->layers, [&](const oci::Layer& layer) {
          return store_.layout().contains(layer.blob.digest);
        })) {
      if (kept) kept(*record);
      continue;
    }
    remove_tree(file->path());
    ++removed;
  }
  return removed;
}

std::optional<StepRecord> StepRecords::last(std::string_view app, std::string_view step) const {
  const auto key = read_file_if_exists(app_path(app, step));
  if (!key || !sha256_from_hex(trim(*key))) return std::nullopt;
  return load(record_path(trim(*key)));
}

void StepRecords::remember(std::string_view app, std::string_view step, const StepKey& key) {
  const auto path = app_path(app, step);
  if (read_file_if_exists(path) == key.hex() + "\n") return;
  make_directories(path.parent_path());
  write_file_atomic(path, key.hex() + "\n");
}

}  // namespace dash::builder
