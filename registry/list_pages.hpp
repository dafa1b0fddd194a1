// Lists that registries give page by page: tags, repositories, referrers.
#pragma once

#include "registry/redirects.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

constexpr std::uint64_t kMaxListPage = std::uint64_t{16} << 20;  // bytes

// Follows the Link fields of one list to its end, however short the pages are.
class ListPages {
 public:
  // Where the page after this one is; nothing after the last. Error(corrupt) for a link that is no URL, leads
  // back, or is one of more than any list has.
  std::optional<Url> next(const Reply& reply);

 private:
  std::set<std::string> seen_;
};

// The strings of the array `key` of a page, of which null is the empty one. Anything else is an
// Error(corrupt): "the answer is no list of `what`".
std::vector<std::string> read_names(Reply& reply, const char* key, std::string_view what);

}  // namespace dash::registry
