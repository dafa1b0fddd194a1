#include "builder/build_cache.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_facts.hpp"
#include "builder/published_cache.hpp"
#include "builder/python/probe.hpp"
#include "builder/step_record.hpp"

#include <utility>

namespace dash::builder {

namespace {

// Records of interpreters travel with the steps that asked them.
void adopt_interpreters(const Store& store, const std::vector<KeyedRecord>& steps) {
  for (const auto& step : steps)
    if (const auto fact = step.record.facts.find(kInterpreterFact); fact != step.record.facts.end())
      remember_interpreter(store, fact->second);
}

}  // namespace

bool BuildCache::consult() {
  if (std::exchange(consulted_, true)) return false;
  bool any = false;
  // The first source is the best one, and records that are there stay.
  for (const auto& source : sources_) {
    try {
      any = learn(source) || any;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::canceled) throw;
      bench_.warn({}, concat("nothing is reused from ", source.name.to_string(), ": ", error.what()));
    }
  }
  return any;
}

bool BuildCache::learn(const CacheSource& source) {
  oci::Platform platform;
  platform.architecture = bench_.host.debian_architecture;
  const auto found = bench_.registry->manifest(source.name, platform);
  if (!found) {
    if (source.kind == CacheSource::Kind::asked_for)
      bench_.note({}, concat("there is no ", source.name.to_string(), " to reuse layers of"));
    return false;
  }
  const auto name = source.name.to_string();
  const auto manifest = oci::Manifest::parse(found->bytes, name);
  return manifest.artifact_type == kCacheType ? learn_from_published(source, manifest)
                                              : learn_from_image(source, manifest);
}

bool BuildCache::learn_from_image(const CacheSource& source, const oci::Manifest& manifest) {
  const auto name = source.name.to_string();
  if (manifest.config.media_type != oci::media_type::kConfig) return carries_nothing(source);
  const auto config = oci::ImageConfig::parse(bench_.registry->read(manifest.config, source.name),
                                              concat("the configuration of ", name));
  const auto records = read_image_records(manifest, config);
  if (records.steps.empty()) return carries_nothing(source);
  bench_.store.layers().promise(manifest.layers, source.name, *bench_.registry);
  StepRecords steps(bench_.store);
  steps.adopt(records.steps);
  StepRecords(bench_.store, kLayerRecords).adopt(records.layers);
  adopt_interpreters(bench_.store, records.steps);
  if (source.kind == CacheSource::Kind::previous)
    for (const auto& [key, record] : records.steps) steps.remember(app_, record.step, key);
  return true;
}

bool BuildCache::learn_from_published(const CacheSource& source, const oci::Manifest& manifest) {
  if (manifest.layers.empty() || manifest.layers.front().media_type != kCacheRecordsType)
    return carries_nothing(source);
  const auto content = read_published_cache(bench_.registry->read(manifest.layers.front(), source.name),
                                            concat("the records of ", source.name.to_string()));
  bench_.store.layers().promise(manifest.layers, source.name, *bench_.registry);
  StepRecords(bench_.store).adopt(content.steps);
  StepRecords(bench_.store, kLayerRecords).adopt(content.layers);
  PackageRecords packages(bench_.store);
  for (const auto& [key, facts] : content.packages)
    if (!packages.find(key)) packages.save(key, facts);
  adopt_interpreters(bench_.store, content.steps);
  return true;
}

bool BuildCache::carries_nothing(const CacheSource& source) const {
  if (source.kind == CacheSource::Kind::asked_for)
    bench_.note(
        {}, concat(source.name.to_string(), " carries no records of a build by this version of dash-build"));
  return false;
}

std::string BuildCache::source_of(const oci::Layer& layer) const {
  const auto place = bench_.store.layers().place_of(layer.blob.digest);
  return place ? place->to_string() : std::string();
}

}  // namespace dash::builder
