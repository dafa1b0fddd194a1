#include "builder/step.hpp"

#include "base/sha256.hpp"
#include "base/text.hpp"

namespace dash::builder {

std::vector<oci::Layer> ImageState::layers() const {
  std::vector<oci::Layer> out;
  for (const auto& part : parts) out.insert(out.end(), part.layers.begin(), part.layers.end());
  return out;
}

std::string ImageState::identity_of(const std::string& step) const {
  const auto key = keys.find(step);
  if (key == keys.end()) return "none";
  Sha256Hasher hasher;
  bool any = false;
  for (const auto& part : parts) {
    if (part.step != step) continue;
    for (const auto& layer : part.layers) {
      hasher.update(as_bytes(layer.diff_id.to_string()));
      any = true;
    }
  }
  return any ? concat("sha256:", to_hex(hasher.value())) : key->second;
}

}  // namespace dash::builder
