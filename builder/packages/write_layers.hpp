// Writing the layers of packages: several at a time, each from entries whose content is made ahead of its
// turn.
#pragma once

#include "builder/workbench.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// One entry of a layer, with where its content is: the first of these that is there.
struct LayerEntry {
  oci::TarEntry entry;                // complete, with the size of the content
  std::function<std::string()> read;  // makes it; called once, on the pool
  Bytes mapped;                       // it lies in memory that LayerContent::owners keeps
  std::string text;
};

// An entry of the app user, of whom all packages are.
LayerEntry package_entry(std::string path, unsigned mode);

struct LayerContent {
  std::vector<LayerEntry> entries;  // as LayerEntries::finish gives them
  std::vector<std::shared_ptr<const void>> owners;
};

// Collects what is in one layer. Later entries replace earlier ones of the same path.
class LayerEntries {
 public:
  void add(LayerEntry entry);
  void add_text(std::string path, std::string text);
  void add_link(std::string path, std::string target);
  void add_directory(std::string path) { directories_.insert(std::move(path)); }

  // All entries in the order of the layer, with the directories that lead to them.
  std::vector<LayerEntry> finish() &&;

 private:
  std::map<std::string, LayerEntry> entries_;
  std::set<std::string> directories_;
};

oci::Layer write_layer(const Workbench& bench, const LayerContent& content);

// What a layer holds, by its index; called from several threads, may wait.
using ContentOfLayer = std::function<LayerContent(std::size_t layer)>;

// Called with a layer's index as soon as it is stored, from several threads at once.
using LayerWritten = std::function<void(std::size_t index, const oci::Layer& layer)>;

// Writes `count` layers, a few at a time in the order given. A layer's bytes depend on its content alone.
// Content is made ahead on the pool within a bounded number of bytes.
void write_layers(const Workbench& bench, std::size_t count, const ContentOfLayer& content,
                  const LayerWritten& written);

}  // namespace dash::builder
