#include "builder/packages/arrange_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace dash::builder {
namespace {

using File = PackageFacts::File;

class Clashes {
 public:
  explicit Clashes(const std::vector<std::string>& environment) {
    for (const std::string& path : environment) {
      add_directories(path);
      places_.emplace(path, Place{nullptr, nullptr, std::nullopt});
    }
  }

  // In the order of installation.
  void add(const PackageFacts& package, std::size_t position) {
    for (const File& file : package.files) {
      add_directories(file.path);
      const auto [at, is_new] = places_.try_emplace(file.path, Place{&package, &file, std::nullopt});
      if (!is_new) replace(at->second, package, file, position);
      at->second.position = position;
    }
  }

  // Throws where a path is a file and a directory.
  void check_directories() const {
    std::optional<std::string_view> first;
    for (const std::string_view directory : directories_)
      if (places_.contains(directory) && (!first || directory < *first)) first = directory;
    if (!first) return;
    throw Error(ErrorCode::invalid_input,
                concat(title(places_.at(*first).package),
                       " installs a file where another package needs a directory: /", *first))
        .with_hint("The two packages cannot be installed together. Remove one from the requirements.");
  }

  std::vector<std::string> take_warnings() { return std::move(warnings_); }

  // Those that must be together, as positions; one that is in several lists joins them.
  std::vector<std::vector<std::size_t>> together() const {
    std::vector<std::vector<std::size_t>> out;
    for (const auto& [path, shared] : shared_)
      if (shared.differs) out.push_back(shared.owners);
    return out;
  }

 private:
  struct Place {
    const PackageFacts* package;  // none: the environment
    const File* file;
    std::optional<std::size_t> position;
  };
  struct Shared {
    std::vector<std::size_t> owners;
    bool differs = false;
  };

  static std::string title(const PackageFacts* package) {
    return package == nullptr ? "the environment" : concat(package->name, ' ', package->version);
  }

  void replace(Place& place, const PackageFacts& package, const File& file, std::size_t position) {
    if (place.package == &package) return;
    const bool equal = place.file != nullptr && !file.content.empty() &&
                       place.file->content == file.content && place.file->kind == file.kind;
    if (!equal && file.kind == File::Kind::installed)
      warnings_.push_back(concat("/", file.path, " of ", title(place.package), " is replaced by the one of ",
                                 title(&package)));
    if (place.position) {
      Shared& shared = shared_[file.path];
      if (shared.owners.empty()) shared.owners.push_back(*place.position);
      shared.owners.push_back(position);
      shared.differs |= !equal;
    }
    place.package = &package;
    place.file = &file;
  }

  void add_directories(std::string_view path) {
    // From the deepest: what is known has all that is above it.
    for (auto slash = path.rfind('/'); slash != std::string_view::npos; slash = path.rfind('/', slash - 1)) {
      if (!directories_.insert(path.substr(0, slash)).second || slash == 0) return;
    }
  }

  std::unordered_map<std::string_view, Place> places_;
  std::unordered_map<std::string_view, Shared> shared_;
  std::unordered_set<std::string_view> directories_;
  std::vector<std::string> warnings_;
};

}  // namespace

Arrangement arrange_packages(const std::vector<PackageFacts>& packages, const InstallOrder& order,
                             const std::vector<std::string>& environment, const LayerLimits& limits) {
  Clashes clashes(environment);
  std::vector<LayerItem> items;
  for (std::size_t position = 0; position < order.packages.size(); ++position) {
    const PackageFacts& package = packages[order.packages[position]];
    clashes.add(package, position);
    items.push_back({order.names[position], package.weight});
  }
  clashes.check_directories();
  for (const auto& positions : clashes.together())
    for (const std::size_t position : positions) items[positions.front()].together.push_back(position);

  Arrangement out;
  out.warnings = clashes.take_warnings();
  out.layers = plan_layers(items, limits);
  for (auto& layer : out.layers)
    for (std::size_t& position : layer) position = order.packages[position];
  return out;
}

}  // namespace dash::builder
