#include "builder/conda/link_order.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace dash::builder {

InstallOrder link_order(const std::vector<PackageFacts>& packages) {
  struct Node {
    std::size_t index = 0;
    std::set<std::string> waits_for;
    std::vector<std::string> needed_by;
  };
  std::map<std::string, Node> nodes;
  for (std::size_t i = 0; i < packages.size(); ++i) nodes[packages[i].name].index = i;
  for (auto& [name, node] : nodes)
    for (const std::string& dependency : packages[node.index].dependencies) {
      if (dependency == name || (name == "python" && dependency == "pip")) continue;
      const auto found = nodes.find(dependency);
      if (found == nodes.end()) continue;
      node.waits_for.insert(dependency);
      found->second.needed_by.push_back(name);
    }

  std::set<std::pair<std::size_t, std::string>> left;  // by what a package waits for, then by name
  for (const auto& [name, node] : nodes) left.emplace(node.waits_for.size(), name);
  InstallOrder out;
  while (!left.empty()) {
    const std::string name = left.begin()->second;
    left.erase(left.begin());
    const Node& node = nodes.at(name);
    out.packages.push_back(node.index);
    out.names.push_back(name);
    for (const std::string& other : node.needed_by) {
      Node& waiting = nodes.at(other);
      const bool is_left = left.erase({waiting.waits_for.size(), other}) > 0;
      waiting.waits_for.erase(name);
      if (is_left) left.emplace(waiting.waits_for.size(), other);
    }
  }
  return out;
}

}  // namespace dash::builder
