// What `--cache-to` publishes: the records of a build, complete, and the layers they name, as an artifact
// that any registry keeps (docs/formats/cache.md).
#pragma once

#include "builder/packages/package_facts.hpp"
#include "builder/step_record.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <utility>
#include <vector>

namespace dash::builder {

// artifactType of its manifest; its first layer has the records, the others are those of the image.
inline constexpr const char* kCacheType = "application/vnd.dash-build.cache.v1";
inline constexpr const char* kCacheRecordsType = "application/vnd.dash-build.records.v1.tar+zstd";

// Stores the artifact for these steps of a build; returns its manifest. It knows more than the image itself
// says: what is in each package, so that a build with other packages fetches only those.
oci::Descriptor store_published_cache(const Workbench& bench, const std::vector<KeyedRecord>& steps);

struct PublishedCache {
  std::vector<KeyedRecord> steps;
  std::vector<KeyedRecord> layers;  // that steps made of packages
  std::vector<std::pair<StepKey, PackageFacts>> packages;
};

// The records' blob. What cannot be read is left out; Error(corrupt) for what is no archive, unsupported for
// one that no honest build makes (over 256 MiB unpacked).
PublishedCache read_published_cache(const std::string& blob, const std::string& name);

}  // namespace dash::builder
