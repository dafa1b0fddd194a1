#include "builder/step.hpp"

namespace dash::builder {

std::vector<oci::Layer> ImageState::layers() const {
  std::vector<oci::Layer> out;
  for (const auto& part : parts) out.insert(out.end(), part.layers.begin(), part.layers.end());
  return out;
}

std::string ImageState::key_of(const std::string& step) const {
  const auto found = keys.find(step);
  return found == keys.end() ? "none" : found->second;
}

}  // namespace dash::builder
