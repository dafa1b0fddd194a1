#include "registry/bundle/registry_inventory.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "registry/bundle/registry_place.hpp"
#include "registry/image_source.hpp"
#include "registry/list_pages.hpp"
#include "registry/registry_client.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace dash::registry {

namespace {

constexpr std::size_t kMaxRepositories = 1'000'000;

// What one repository has.
struct Repository {
  std::string name;
  std::vector<BundledImage> images;
  std::map<oci::Digest, oci::Descriptor> blobs;
};

void read_repository(RegistrySession& session, const RegistryPlace& place, Repository& out,
                     const std::stop_token& stop) {
  const auto full = oci::Reference::parse(concat(place.registry, '/', place.prefix, out.name));
  RegistryClient client(session, full, stop);
  RepositorySource source(client);
  auto tags = client.tags();
  std::sort(tags.begin(), tags.end());
  for (const auto& tag : tags) {
    const auto found = client.resolve(tag);
    if (!found) continue;
    const auto contents = read_contents(source, *found);
    out.images.push_back({concat(out.name, ':', tag), *found});
    for (const auto& document : contents.documents)
      out.blobs.emplace(document.descriptor.digest, document.descriptor);
    for (const auto& blob : contents.blobs) out.blobs.emplace(blob.digest, blob);
  }
}

}  // namespace

std::vector<std::string> list_repositories(RegistrySession& session, const std::string& registry,
                                           const std::stop_token& stop) {
  const auto endpoint = session.hosts().endpoints(registry, {}).back();
  EndpointClient client(session, endpoint, stop);
  Call call;
  call.url = endpoint.base;
  call.url->path += "/_catalog";
  call.url->query = "n=1000";
  call.scopes = {"registry:catalog:*"};
  ListPages pages;
  std::vector<std::string> out;
  for (;;) {
    auto reply = client.send(call);
    if (reply.status() == 404 || reply.status() == 405)
      throw Error(ErrorCode::unsupported,
                  concat(reply.shown(), ": ", registry, " does not list its repositories"))
          .with_hint(
              "use the inventory of the last bundle that was imported there: dash-build mirror inventory "
              "BUNDLE");
    if (reply.status() != 200) client.fail(reply);
    for (auto& name : read_names(reply, "repositories", "repositories")) out.push_back(std::move(name));
    if (out.size() > kMaxRepositories)
      throw Error(ErrorCode::unsupported,
                  concat(registry, " has more than ", kMaxRepositories, " repositories"));
    call.url = pages.next(reply);
    if (!call.url) return out;
  }
}

Inventory read_registry_inventory(RegistrySession& session, const std::string& text,
                                  const std::stop_token& stop) {
  const auto place = RegistryPlace::parse(text);
  std::vector<Repository> repositories;
  for (const auto& name : list_repositories(session, place.registry, stop))
    if (name.starts_with(place.prefix) && name.size() > place.prefix.size())
      repositories.push_back({name.substr(place.prefix.size()), {}, {}});
  std::sort(repositories.begin(), repositories.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  TaskGroup group(stop);
  group.for_each(session.transfers(), repositories.size(),
                 [&](std::size_t i) { read_repository(session, place, repositories[i], group.stop()); });
  Inventory out;
  std::map<oci::Digest, std::size_t> places;
  for (auto& repository : repositories) {
    for (auto& image : repository.images) {
      image.image.annotations.clear();
      out.images.push_back(std::move(image));
    }
    for (const auto& [digest, blob] : repository.blobs) {
      const auto [found, is_new] = places.try_emplace(digest, out.blobs.size());
      if (is_new) out.blobs.push_back({{blob.media_type, digest, blob.size, {}, std::nullopt}, {}});
      out.blobs[found->second].repositories.push_back(repository.name);
    }
  }
  return out;
}

}  // namespace dash::registry
