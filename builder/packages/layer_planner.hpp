// Which packages share a layer: so that a changed package sends little more than itself again, with a bounded
// number of layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dash::builder {

struct LayerItem {
  std::string name;          // of the package; no two items have the same
  std::uint64_t weight = 0;  // about how many bytes it takes in a layer, compressed
  // Indices of items that must be in one layer with it; naming one of two is enough.
  std::vector<std::size_t> together = {};
};

struct LayerLimits {
  // How many layers there may be; 0 counts as 1.
  std::size_t layers = 40;
  // Items that are lighter share layers up to this weight, even where there is room for more layers.
  std::uint64_t shared = std::uint64_t{128} << 10;
};

// The layers, lowest first, each as the indices of its items. The answer is a function of the set alone: of
// names, weights and what belongs together, not of the order of the items (which decides only the order of
// those that must be together) nor of earlier answers.
//
// Items heavier than `shared` have a layer of their own; lighter ones are put into a binary trie by the
// SHA-256 of their names, whose largest subtrees that are no heavier than `shared` are layers. So an item
// that comes, goes or changes touches the layer it is in and no other. When that makes too many layers, the
// lightest subtrees become layers too, one after the other, among items of about equal weight first; weights
// count by powers of two there, so that a change of size seldom changes the order. Crossing the limit by one
// thus merges two layers and leaves the others alone. Heavy layers come first: what changes often is on top.
//
// Throws Error(internal) for a name that is there twice or an index that is out of range.
std::vector<std::vector<std::size_t>> plan_layers(const std::vector<LayerItem>& items,
                                                  const LayerLimits& limits);

}  // namespace dash::builder
