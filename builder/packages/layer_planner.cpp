#include "builder/packages/layer_planner.hpp"

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>
#include <tuple>

namespace dash::builder {
namespace {

constexpr int kHashBits = 256;

// Items that must be together.
struct Unit {
  std::string name;  // the first of its items' names
  Sha256 hash{};     // of the name: the unit's place in the trie
  std::uint64_t weight = 0;
  unsigned size_class = 0;  // 0: lighter than what shares a layer anyway; then by powers of four
  std::vector<std::size_t> items;
};

// A subtree: a range of the sorted units, of at least two.
struct Subtree {
  std::size_t first = 0;
  std::size_t last = 0;  // behind the range
  std::uint64_t weight = 0;
  int depth = 0;  // bits that its units' hashes have in common; negative where size classes are joined
};

class Sets {
 public:
  explicit Sets(std::size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0U); }
  std::size_t root(std::size_t item) {
    while (parents_[item] != item) item = parents_[item] = parents_[parents_[item]];
    return item;
  }
  void unite(std::size_t a, std::size_t b) { parents_[root(a)] = root(b); }

 private:
  std::vector<std::size_t> parents_;
};

unsigned size_class(std::uint64_t weight, std::uint64_t shared) {
  unsigned out = 0;
  for (; weight > shared; weight /= 4) ++out;
  return out;
}

// Sorted: heavy classes first, then by place in the trie.
std::vector<Unit> make_units(const std::vector<LayerItem>& items, std::uint64_t shared) {
  Sets sets(items.size());
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!names.insert(items[i].name).second)
      throw Error(ErrorCode::internal, concat("two items for layers are called ", quoted(items[i].name)));
    for (const std::size_t other : items[i].together) {
      if (other >= items.size())
        throw Error(ErrorCode::internal,
                    concat(quoted(items[i].name), " belongs to an item that is not there"));
      sets.unite(i, other);
    }
  }
  std::vector<Unit> units(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    Unit& unit = units[sets.root(i)];
    if (unit.items.empty() || items[i].name < unit.name) unit.name = items[i].name;
    unit.weight += items[i].weight;
    unit.items.push_back(i);
  }
  std::erase_if(units, [](const Unit& unit) { return unit.items.empty(); });
  for (Unit& unit : units) {
    unit.hash = sha256(unit.name);
    unit.size_class = size_class(unit.weight, std::max<std::uint64_t>(shared, 1));
  }
  std::ranges::sort(units, [](const Unit& a, const Unit& b) {
    return std::tie(b.size_class, a.hash) < std::tie(a.size_class, b.hash);
  });
  return units;
}

bool bit(const Sha256& hash, int index) {
  const auto position = static_cast<unsigned>(index);
  return ((hash[position / 8] >> (7 - position % 8)) & 1U) != 0;
}

int common_bits(const Sha256& a, const Sha256& b) {
  int out = 0;
  while (out < kHashBits && bit(a, out) == bit(b, out)) ++out;
  return out;
}

class Forest {
 public:
  explicit Forest(const std::vector<Unit>& units) : units_(units) {
    // Lightest class first: each is joined with those that are lighter.
    std::size_t end = units.size();
    std::uint64_t lighter = 0;
    int joined = 0;
    while (end > 0) {
      std::size_t begin = end - 1;
      while (begin > 0 && units[begin - 1].size_class == units[begin].size_class) --begin;
      lighter += add_trie(begin, end);
      if (end < units.size()) subtrees_.push_back({begin, units.size(), lighter, --joined});
      end = begin;
    }
  }

  // In the order in which they become layers: none comes before a subtree of its own.
  std::vector<Subtree> by_weight() && {
    std::ranges::sort(subtrees_, [this](const Subtree& a, const Subtree& b) {
      return std::tuple(std::bit_width(a.weight), -a.depth, units_[a.first].hash) <
             std::tuple(std::bit_width(b.weight), -b.depth, units_[b.first].hash);
    });
    return std::move(subtrees_);
  }

 private:
  // Returns the weight.
  std::uint64_t add_trie(std::size_t first, std::size_t last) {
    if (last - first == 1) return units_[first].weight;
    // The range is sorted, so these two differ first.
    const int depth = common_bits(units_[first].hash, units_[last - 1].hash);
    const auto begin = units_.begin();
    const auto middle = std::partition_point(begin + static_cast<std::ptrdiff_t>(first),
                                             begin + static_cast<std::ptrdiff_t>(last),
                                             [depth](const Unit& unit) { return !bit(unit.hash, depth); });
    const auto split = static_cast<std::size_t>(middle - begin);
    const std::uint64_t weight = add_trie(first, split) + add_trie(split, last);
    subtrees_.push_back({first, last, weight, depth});
    return weight;
  }

  const std::vector<Unit>& units_;
  std::vector<Subtree> subtrees_;
};

}  // namespace

std::vector<std::vector<std::size_t>> plan_layers(const std::vector<LayerItem>& items,
                                                  const LayerLimits& limits) {
  const std::vector<Unit> units = make_units(items, limits.shared);
  const std::size_t most = std::max<std::size_t>(limits.layers, 1);
  std::size_t layers = units.size();
  // By the first unit of a layer: the end of the layer.
  std::vector<std::size_t> ends(units.size());
  std::iota(ends.begin(), ends.end(), 1U);
  const auto merge = [&](const Subtree& subtree) {
    ends[subtree.first] = std::max(ends[subtree.first], subtree.last);
    --layers;  // its two halves were one layer each
  };
  const std::vector<Subtree> subtrees = Forest(units).by_weight();
  for (const Subtree& subtree : subtrees)
    if (subtree.weight <= limits.shared) merge(subtree);
  for (const Subtree& subtree : subtrees)
    if (subtree.weight > limits.shared && layers > most) merge(subtree);

  std::vector<std::vector<std::size_t>> out;
  for (std::size_t first = 0; first < units.size(); first = ends[first]) {
    std::vector<std::size_t>& layer = out.emplace_back();
    for (std::size_t i = first; i < ends[first]; ++i)
      layer.insert(layer.end(), units[i].items.begin(), units[i].items.end());
  }
  return out;
}

}  // namespace dash::builder
