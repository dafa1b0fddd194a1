#include "builder/python/install_order.hpp"

#include "builder/packages/package_name.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace dash::builder {

InstallOrder install_order(const std::vector<PackageFacts>& packages) {
  // Last name first; each with what it requires among the packages that are not in the order yet.
  struct Node {
    std::size_t index = 0;
    std::set<std::string> requires_names;
  };
  std::map<std::string, Node, std::greater<>> left;
  for (std::size_t i = 0; i < packages.size(); ++i) left[normal_package_name(packages[i].name)].index = i;
  for (auto& [name, node] : left)
    for (const std::string& dependency : packages[node.index].dependencies)
      if (dependency != name && left.contains(dependency)) node.requires_names.insert(dependency);

  InstallOrder order;
  while (!left.empty()) {
    std::vector<std::string> round;
    for (const auto& [name, node] : left)
      if (node.requires_names.empty()) round.push_back(name);
    if (round.empty())  // circles
      for (const auto& [name, node] : left) round.push_back(name);
    for (const std::string& name : round) {
      order.packages.push_back(left.at(name).index);
      order.names.push_back(name);
      left.erase(name);
    }
    for (auto& [name, node] : left)
      for (const std::string& done : round) node.requires_names.erase(done);
  }
  return order;
}

}  // namespace dash::builder
