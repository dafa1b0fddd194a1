#include "builder/packages/layer_planner.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

constexpr std::uint64_t kKiB = 1024;

using Layers = std::vector<std::vector<std::string>>;
using Weights = std::map<std::string, std::uint64_t>;

std::vector<LayerItem> items_of(const Weights& weights) {
  std::vector<LayerItem> out;
  for (const auto& [name, weight] : weights) out.push_back({name, weight});
  return out;
}

Layers names_of(const std::vector<LayerItem>& items, const LayerLimits& limits) {
  Layers out;
  for (const auto& layer : plan_layers(items, limits)) {
    auto& names = out.emplace_back();
    for (const std::size_t i : layer) names.push_back(items.at(i).name);
  }
  return out;
}

Layers plan(const Weights& weights, std::size_t most = 40) {
  return names_of(items_of(weights), {most, 128 * kKiB});
}

// A set as requirements make it: many small packages, some large ones.
Weights random_set(std::mt19937& random, std::size_t count) {
  std::lognormal_distribution<double> weight(11.3, 1.8);
  Weights out;
  while (out.size() < count)
    out[concat("package-", random() % 100'000)] = static_cast<std::uint64_t>(weight(random)) + 1;
  return out;
}

std::uint64_t weight_of(const std::vector<std::string>& layer, const Weights& weights) {
  std::uint64_t out = 0;
  for (const auto& name : layer) out += weights.at(name);
  return out;
}

// The layers of `after` that `before` does not have: what is sent when one becomes the other.
Layers sent(const Layers& before, const Layers& after, const std::string& changed) {
  const std::set<std::vector<std::string>> known(before.begin(), before.end());
  Layers out = after;
  std::erase_if(out, [&](const auto& layer) {
    return known.contains(layer) && std::ranges::find(layer, changed) == layer.end();
  });
  return out;
}

}  // namespace

TEST_CASE("layer planner: what is large has a layer of its own, what is small shares one") {
  CHECK(plan({}).empty());
  CHECK(plan({{"a", 5}}) == Layers{{"a"}});
  CHECK(plan({{"a", 0}, {"b", 0}}).size() == 1);
  CHECK(
      plan({{"numpy", 16'000 * kKiB}, {"pandas", 12'000 * kKiB}, {"six", 10 * kKiB}, {"zipp", 10 * kKiB}}) ==
      Layers{{"numpy"}, {"pandas"}, {"six", "zipp"}});
  // Exactly the limit, and one more.
  CHECK(plan({{"a", 64 * kKiB}, {"b", 64 * kKiB}}).size() == 1);
  CHECK(plan({{"a", 64 * kKiB}, {"b", 64 * kKiB + 1}}).size() == 2);
}

TEST_CASE("layer planner: what must be together is, in the order given") {
  std::vector<LayerItem> items = {
      {"z", 900 * kKiB, {3}}, {"m", 1}, {"b", 900 * kKiB}, {"a", 1, {0}}, {"n", 1, {1}}};
  CHECK(names_of(items, {}) == Layers{{"b"}, {"z", "a"}, {"m", "n"}});
  items[2].together = {0};
  CHECK(names_of(items, {}) == Layers{{"z", "b", "a"}, {"m", "n"}});
}

TEST_CASE("layer planner: wrong input") {
  CHECK_THROWS_WITH(plan_layers({{"a"}, {"a"}}, {}), "two items for layers are called 'a'");
  CHECK_THROWS_WITH(plan_layers({{"a", 1, {1}}}, {}), "'a' belongs to an item that is not there");
}

TEST_CASE("layer planner: every item once, never too many layers, light ones only as heavy as allowed") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const auto weights = random_set(random, 1 + random() % 150);
    const std::size_t most = random() % 60;
    const auto layers = plan(weights, most);
    CHECK(layers.size() <= std::max<std::size_t>(most, 1));
    std::set<std::string> seen;
    for (const auto& layer : layers)
      for (const auto& name : layer) CHECK(seen.insert(name).second);
    CHECK(seen.size() == weights.size());
    // The order of the items does not matter.
    auto items = items_of(weights);
    std::ranges::shuffle(items, random);
    CHECK(names_of(items, {most, 128 * kKiB}) == layers);
    for (const auto& layer : plan(weights, 1000))
      if (layer.size() > 1) CHECK(weight_of(layer, weights) <= 128 * kKiB);
  }
}

TEST_CASE("layer planner: a package that comes, goes or changes sends itself and one shared layer at most") {
  std::mt19937 random(11);
  const auto bytes = [](const Layers& layers, const Weights& weights) {
    std::uint64_t out = 0;
    for (const auto& layer : layers) out += weight_of(layer, weights);
    return out;
  };
  for (int round = 0; round < 1000; ++round) {
    const auto weights = random_set(random, 5 + random() % 120);
    const auto chosen = std::next(weights.begin(), static_cast<long>(random() % weights.size()))->first;
    const auto before = plan(weights, 1000);
    auto changed = weights;
    changed[chosen] = changed[chosen] * (50 + random() % 100) / 100;
    CHECK(bytes(sent(before, plan(changed, 1000), chosen), changed) <= changed[chosen] + 128 * kKiB);

    auto without = weights;
    without.erase(chosen);
    const auto less = plan(without, 1000);
    CHECK(bytes(sent(less, before, chosen), weights) <= weights.at(chosen) + 128 * kKiB);
    CHECK(bytes(sent(before, less, chosen), without) <= 128 * kKiB);
  }
}

TEST_CASE("layer planner: at the limit one more package merges two layers and leaves the others alone") {
  std::mt19937 random(13);
  std::size_t all = 0;
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    const auto weights = random_set(random, 100 + random() % 120);
    const auto before = plan(weights);
    CHECK(before.size() == 40);
    auto changed = weights;
    auto chosen = std::next(changed.begin(), static_cast<long>(random() % changed.size()))->first;
    if (round % 2 == 0)
      changed[chosen] = changed[chosen] * 105 / 100;
    else
      changed[chosen = "one-more"] = 30 * kKiB;
    const auto count = sent(before, plan(changed), chosen).size();
    CHECK(count <= 6);
    all += count;
  }
  CHECK(static_cast<double>(all) / kRounds < 2);
}
