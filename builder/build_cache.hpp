// What earlier builds left in registries: records of their steps, and layers that are taken without
// downloading them.
#pragma once

#include "builder/image_records.hpp"
#include "builder/workbench.hpp"
#include "oci/reference.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::builder {

// An image, or what `--cache-to` published.
struct CacheSource {
  oci::Reference name;  // with a registry
  // `previous` is the image that this build replaces: it counts as the last build of the app, and nobody is
  // surprised when there is none yet.
  enum class Kind { asked_for, previous } kind = Kind::asked_for;
};

// Belongs to one build and one thread. Registries are asked only when the store alone does not do.
class BuildCache {
 public:
  // `app` is the name whose last build a previous image stands for.
  BuildCache(const Workbench& bench, std::string app, std::vector<CacheSource> sources)
      : bench_(bench), app_(std::move(app)), sources_(std::move(sources)) {}

  // Copies the records of all sources to the store and promises their layers (layer_store.hpp). The first
  // call asks, one manifest and one document each; false when there was nothing to learn, or nothing new. A
  // source that does not answer is a warning: it only saves work.
  bool consult();

  // Which source has a layer, as the user wrote it; for reasons.
  std::string source_of(const oci::Layer& layer) const;

 private:
  bool learn(const CacheSource& source);
  bool learn_from_image(const CacheSource& source, const oci::Manifest& manifest);
  bool learn_from_published(const CacheSource& source, const oci::Manifest& manifest);
  bool carries_nothing(const CacheSource& source) const;

  const Workbench& bench_;
  std::string app_;
  std::vector<CacheSource> sources_;
  bool consulted_ = false;
};

}  // namespace dash::builder
