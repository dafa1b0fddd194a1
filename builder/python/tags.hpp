// Compatibility tags of wheels (PyPA "Platform compatibility tags") and names of wheel files ("Binary
// distribution format").
#pragma once

#include "builder/interpreter.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// "cp311-cp311-manylinux_2_17_x86_64" for every tag the interpreter accepts, best first, in the order of
// pip (packaging.tags.sys_tags). For other implementations than CPython only the generic tags.
std::vector<std::string> compatible_tags(const Interpreter& interpreter);

// The parts of "name-version[-build]-python-abi-platform.whl".
struct WheelName {
  std::string name;     // as written
  std::string version;  // as written
  std::string build;    // empty when absent
  std::vector<std::string> pythons;
  std::vector<std::string> abis;
  std::vector<std::string> platforms;

  // Nothing when the text is not a wheel file name.
  static std::optional<WheelName> parse(std::string_view file_name);
};

// Ranks wheels for one interpreter.
class TagRanking {
 public:
  explicit TagRanking(const Interpreter& interpreter);
  // Position of the wheel's best tag (0 is best); nothing when the wheel is not compatible.
  std::optional<std::size_t> rank(const WheelName& wheel) const;

 private:
  std::map<std::string, std::size_t, std::less<>> ranks_;
};

// Orders build tags: by the leading number, then by the rest as text; no tag first (the specification's
// rule).
bool build_tag_less(std::string_view a, std::string_view b);

}  // namespace dash::builder
