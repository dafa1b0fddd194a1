#include "builder/layer_annotations.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dash::builder {

std::string package_list(std::vector<std::string> packages) {
  // Manifests are limited in size, and read by every client.
  constexpr std::size_t kMost = 1000;
  std::ranges::sort(packages);
  std::string out;
  for (std::size_t i = 0; i < packages.size(); ++i) {
    if (!out.empty() && out.size() + packages[i].size() > kMost)
      return concat(out, " and ", packages.size() - i, " more");
    out += concat(out.empty() ? "" : ", ", packages[i]);
  }
  return out;
}

}  // namespace dash::builder
