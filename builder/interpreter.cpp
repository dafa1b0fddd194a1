#include "builder/interpreter.hpp"

#include "base/text.hpp"

namespace dash::builder {

std::string Interpreter::minor_version() const {
  const std::vector<std::string_view> parts = split(version, '.');
  return parts.size() < 2 ? version : concat(parts[0], '.', parts[1]);
}

std::string Interpreter::identity() const {
  return concat(implementation, ' ', version, ' ', cache_tag, ' ', soabi, ' ', machine, " glibc-",
                glibc_major, '.', glibc_minor, " magic-", magic, ' ', executable);
}

}  // namespace dash::builder
