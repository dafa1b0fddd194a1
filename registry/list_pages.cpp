#include "registry/list_pages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/link.hpp"
#include "registry/registry_error.hpp"

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxName = 1024;  // bytes; no tag or repository has nearly as many

}  // namespace

std::optional<Url> ListPages::next(const Reply& reply) {
  const auto link = next_link(reply.header("Link"));
  if (!link) return std::nullopt;
  auto url = reply.url.resolve(*link);
  if (!url) throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the link to the next page is no URL"));
  seen_.insert(sha256(reply.url.to_string()));
  if (seen_.contains(sha256(url->to_string())))
    throw Error(ErrorCode::corrupt,
                concat(reply.shown(), ": the link to the next page leads back to one that was read"));
  if (seen_.size() == most_)
    throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the list has more than ", most_, " pages"));
  return url;
}

std::vector<std::string> read_names(Reply& reply, const char* key, std::string_view what) {
  const auto json = Json::parse(read_all(*reply.answer, kMaxListPage, reply.shown()), nullptr, false);
  const auto refuse = [&] {
    if (json.is_discarded())
      throw Error(ErrorCode::unsupported, concat(reply.shown(), ": the answer is no list of ", what))
          .with_hint(kNoRegistryHint);
    throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the answer is no list of ", what));
  };
  const auto list = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || list == json.end() || (!list->is_array() && !list->is_null())) refuse();
  std::vector<std::string> out;
  for (const auto& name : *list) {
    if (!name.is_string() || name.get_ref<const std::string&>().size() > kMaxName) refuse();
    out.push_back(name.get<std::string>());
  }
  return out;
}

}  // namespace dash::registry
