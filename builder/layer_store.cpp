#include "builder/layer_store.hpp"

#include <utility>

namespace dash::builder {

void LayerStore::promise(const std::vector<oci::Descriptor>& layers, const oci::Reference& from,
                         ImageRegistry& registry) {
  const std::scoped_lock lock(mutex_);
  registry_ = &registry;
  for (const auto& layer : layers)
    if (!oci::media_type::is_foreign_layer(layer.media_type)) places_.insert_or_assign(layer.digest, from);
}

std::optional<oci::Reference> LayerStore::place_of(const oci::Digest& digest) const {
  if (layout_.contains(digest)) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(digest);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

void LayerStore::bring(const std::vector<oci::Descriptor>& blobs) const {
  std::map<std::pair<std::string, std::string>, std::vector<oci::Descriptor>> wanted;
  std::map<std::pair<std::string, std::string>, oci::Reference> places;
  for (const auto& blob : blobs) {
    const auto place = place_of(blob.digest);
    if (!place) continue;
    const std::pair key(place->registry, place->repository);
    wanted[key].push_back(blob);
    places.insert_or_assign(key, *place);
  }
  for (const auto& [key, descriptors] : wanted) registry_->fetch(descriptors, places.at(key), layout_);
}

bool LayerStore::contains(const oci::Digest& digest) const {
  return layout_.contains(digest) || place_of(digest);
}

bool LayerStore::claim(const oci::Digest& digest) const {
  return layout_.claim(digest) || place_of(digest);
}

std::unique_ptr<Source> LayerStore::open(const oci::Descriptor& blob) const {
  bring({blob});
  return layout_.open(blob);
}

}  // namespace dash::builder
