// Lists that registries give page by page: tags, repositories, referrers.
#pragma once

#include "base/sha256.hpp"
#include "registry/redirects.hpp"

#include <cstddef>
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
  explicit ListPages(std::size_t most = 10'000) : most_(most) {}
  // Where the page after this one is; nothing after the last. Error(corrupt) for a link that is no URL, leads
  // back, or is one of more than `most` pages.
  std::optional<Url> next(const Reply& reply);

 private:
  std::size_t most_;
  std::set<Sha256> seen_;  // addresses of pages
};

// The strings of the array `key` of a page, of which null is the empty one. Anything else, and a name that is
// longer than any, is an Error(corrupt): "the answer is no list of `what`".
std::vector<std::string> read_names(Reply& reply, const char* key, std::string_view what);

}  // namespace dash::registry
