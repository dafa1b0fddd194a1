#include "builder/packages/arrange_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/python/install_order.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr auto kBytecode = PackageFacts::File::Kind::bytecode;

// Heavy enough for a layer of its own.
PackageFacts package(const std::string& name, std::vector<PackageFacts::File> files,
                     std::vector<std::string> dependencies = {}) {
  return {name, "1", std::move(dependencies), kMiB, std::move(files)};
}

Arrangement arrange(const std::vector<PackageFacts>& packages, const std::vector<std::string>& environment) {
  return arrange_packages(packages, install_order(packages), environment, {});
}

// "b a; c" for two layers.
std::string layers_of(const Arrangement& arrangement, const std::vector<PackageFacts>& packages) {
  std::string out;
  for (const auto& layer : arrangement.layers) {
    out += out.empty() ? "" : "; ";
    for (const std::size_t i : layer) out += concat(i == layer.front() ? "" : " ", packages[i].name);
  }
  return out;
}

}  // namespace

TEST_CASE("arrangement: different files of one path bring packages together, in pip's order") {
  struct Case {
    std::vector<PackageFacts> packages;
    std::string layers;
    std::vector<std::string> warnings;
  };
  const auto [packages, layers, warnings] = GENERATE(values<Case>({
      {{package("a", {{"s/a.py", "1"}}), package("b", {{"s/b.py", "1"}})}, "b; a", {}},
      {{package("a", {{"s/x.py", "1"}}), package("b", {{"s/x.py", "2"}})},
       "b a",
       {"/s/x.py of b 1 is replaced by the one of a 1"}},
      // a needs nothing and comes first.
      {{package("a", {{"s/x.py", "1"}}), package("b", {{"s/x.py", "2"}}, {"a"})},
       "a b",
       {"/s/x.py of a 1 is replaced by the one of b 1"}},
      {{package("a", {{"s/x.py", "1"}}), package("b", {{"s/x.py", "1"}})}, "b; a", {}},
      // Two of three are equal, but not to the one between them.
      {{package("a", {{"x", "1"}}), package("b", {{"x", "2"}}), package("c", {{"x", "1"}})},
       "c b a",
       {"/x of c 1 is replaced by the one of b 1", "/x of b 1 is replaced by the one of a 1"}},
      // Nothing is known to be equal to it.
      {{package("a", {{"x", ""}}), package("b", {{"x", ""}})},
       "b a",
       {"/x of b 1 is replaced by the one of a 1"}},
      // Byte code follows its sources; the warning is about those.
      {{package("a", {{"x.py", "1"}, {"x.pyc", "1", kBytecode}}),
        package("b", {{"x.py", "2"}, {"x.pyc", "2", kBytecode}})},
       "b a",
       {"/x.py of b 1 is replaced by the one of a 1"}},
      // The environment is below all packages.
      {{package("a", {{"env/python", "1"}}), package("b", {{"env/python", "1"}})},
       "b; a",
       {"/env/python of the environment is replaced by the one of b 1"}},
      // A file twice in one package is no clash.
      {{package("a", {{"x", "1"}, {"x", "2"}})}, "a", {}},
  }));
  const auto found = arrange(packages, {"env/python"});
  CHECK(layers_of(found, packages) == layers);
  CHECK(found.warnings == warnings);
}

TEST_CASE("arrangement: a file where another package needs a directory") {
  const std::vector<PackageFacts> packages = {package("one", {{"site/x", "1"}}),
                                              package("two", {{"site/x/y.py", "2"}})};
  CHECK_THROWS_WITH(arrange(packages, {}),
                    "one 1 installs a file where another package needs a directory: /site/x");
  CHECK_THROWS_WITH(arrange({package("one", {{"env", "1"}})}, {"env/bin/python"}),
                    "one 1 installs a file where another package needs a directory: /env");
  CHECK_THROWS_WITH(arrange({package("one", {{"env/lib64/x", "1"}})}, {"env/lib64"}),
                    "the environment installs a file where another package needs a directory: /env/lib64");
}
