#include "builder/published_cache.hpp"

#include "base/archive.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/layer_annotations.hpp"
#include "oci/layer_writer.hpp"
#include "oci/manifest.hpp"

#include <map>
#include <optional>
#include <set>

namespace dash::builder {

namespace {

constexpr std::uint64_t kMaxUnpacked = std::uint64_t{256} << 20;
constexpr std::string_view kSuffix = ".json";

// The archive's directories are those of the store.
std::string file_of(std::string_view directory, const StepKey& key) {
  return concat(directory, '/', key.hex(), kSuffix);
}

std::optional<StepKey> key_of(std::string_view hex) {
  const auto value = sha256_from_hex(hex);
  return value ? std::optional(StepKey(*value)) : std::nullopt;
}

// Texts of records by file name.
using Files = std::map<std::string, std::string>;

void add_packages(Files& files, Store& store, const StepRecord& layer) {
  const PackageRecords packages(store);
  for (const auto& leaf : layer.leaves)
    if (const auto key = key_of(leaf.value))
      if (const auto facts = packages.find(*key)) files[file_of(kPackageRecords, *key)] = to_json(*facts);
}

Files collect(Store& store, const std::vector<KeyedRecord>& steps) {
  Files out;
  const StepRecords layers(store, kLayerRecords);
  for (const auto& [step_key, record] : steps) {
    out[file_of(kStepRecords, step_key)] = to_json(record);
    for (const auto& layer : record.layers) {
      const auto annotation = layer.blob.annotations.find(kLayerKeyAnnotation);
      if (annotation == layer.blob.annotations.end()) continue;
      const auto key = key_of(annotation->second);
      const auto made = key ? layers.find(*key) : std::nullopt;
      if (!made) continue;
      out[file_of(kLayerRecords, *key)] = to_json(*made);
      add_packages(out, store, *made);
    }
  }
  return out;
}

void add(PublishedCache& out, std::string_view path, std::string_view text) {
  const auto slash = path.find('/');
  if (slash == std::string_view::npos || !path.ends_with(kSuffix)) return;
  const auto directory = path.substr(0, slash);
  const auto key = key_of(path.substr(slash + 1, path.size() - slash - 1 - kSuffix.size()));
  if (!key) return;
  if (directory == kPackageRecords) {
    if (auto facts = parse_package_facts(text)) out.packages.emplace_back(*key, std::move(*facts));
  } else if (directory == kStepRecords || directory == kLayerRecords) {
    if (auto record = parse_step_record(text))
      (directory == kStepRecords ? out.steps : out.layers).push_back({*key, std::move(*record)});
  }
}

}  // namespace

oci::Descriptor store_published_cache(const Workbench& bench, const std::vector<KeyedRecord>& steps) {
  auto settings = bench.layer_settings();
  settings.compression = oci::Compression::parse("zstd");
  oci::LayerWriter writer(settings);
  for (const auto& [path, text] : collect(bench.store, steps)) {
    oci::TarEntry entry{path};
    entry.size = text.size();
    writer.add(std::move(entry), as_bytes(text));
  }
  auto records = writer.finish().blob;
  records.media_type = kCacheRecordsType;
  auto& store = bench.store.layout();
  oci::Manifest manifest{store.put("{}", oci::media_type::kEmpty), {std::move(records)}, {}, kCacheType};
  std::set<oci::Digest> seen;
  for (const auto& step : steps)
    for (const auto& layer : step.record.layers)
      if (seen.insert(layer.blob.digest).second) manifest.layers.push_back(layer.blob);
  return store.put(manifest.to_json(), oci::media_type::kManifest);
}

PublishedCache read_published_cache(const std::string& blob, const std::string& name) {
  const auto tar = oci::make_decompressor(std::make_unique<MemorySource>(blob), name);
  ArchiveReader reader(*tar, ArchiveReader::Format::tar, name);
  PublishedCache out;
  std::uint64_t left = kMaxUnpacked;
  while (const auto entry = reader.next()) {
    if (entry->size > left) throw Error(ErrorCode::unsupported, concat(name, " are too large"));
    left -= entry->size;
    add(out, entry->path, read_all(reader.content(), entry->size, name));
  }
  return out;
}

}  // namespace dash::builder
