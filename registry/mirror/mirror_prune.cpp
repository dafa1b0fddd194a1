#include "registry/mirror/mirror_prune.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/mirror/attempt.hpp"
#include "registry/registry_error.hpp"
#include "registry/tag_removal.hpp"

#include <map>
#include <set>

namespace dash::registry {

namespace {

// One value for one repository, under whatever name it is reached. Ports that a scheme has by itself are one:
// which of the two a name without port means, the server says.
struct Place {
  std::string server;  // "host:port"
  std::string path;
  auto operator<=>(const Place&) const = default;
};

Place place_of(const RegistrySession& session, const oci::Reference& name) try {
  const auto endpoint = session.hosts().endpoints(name.registry, name.repository).back();
  const auto& base = endpoint.base;
  const bool default_port = base.port == 443 || base.port == 80;
  return {concat(is_loopback_host(base.host) ? "localhost" : base.host, ':',
                 default_port ? std::string() : std::to_string(base.port)),
          concat(base.path, '/', endpoint.repository)};
} catch (const Error&) {
  return {name.registry, name.repository};  // nothing can be reached under it
}

// A destination repository and what belongs there.
struct Target {
  oci::Reference name;
  std::string path;  // of its Place
  std::vector<const SelectedImage*> images;
  std::string reason;  // why nothing is pruned there; empty: there is none
};

// The digests of an image and of everything in it that is an image.
void add_digests(ImageSource& from, const oci::Descriptor& image, int depth, std::set<oci::Digest>& out) {
  constexpr int kMaxDepth = 8;
  if (!out.insert(image.digest).second || !oci::media_type::is_index(image.media_type) || depth > kMaxDepth)
    return;
  for (const auto& entry : oci::Index::parse(from.document(image), image.digest.to_string()).manifests)
    add_digests(from, entry, depth + 1, out);
}

class Prune {
 public:
  Prune(RegistrySession& session, const ImageSelection& selection,
        const std::vector<SelectionFailure>& failures, SyncMode mode, const std::stop_token& stop)
      : session_(session), mode_(mode), stop_(stop) {
    for (const auto& image : selection.images) {
      if (image.destination) target(*image.destination).images.push_back(&image);
      note_tag(image.source);
      if (image.destination) note_tag(*image.destination);
    }
    for (const auto& entry : selection.unmatched)
      if (entry.destination)
        refuse(*entry.destination, concat("no tag of ", entry.source.to_string(), " matches"));
    for (const auto& entry : selection.unmatched_patterns)
      if (entry.destination)
        refuse(*entry.destination,
               concat("no tag of ", entry.source.to_string(), " matches ", quoted(entry.pattern)));
    for (const auto* list : {&selection.failures, &failures})
      for (const auto& failure : *list) note(failure);
    for (const auto& image : selection.images) keep_source(image.source);
    for (const auto& entry : selection.unmatched) keep_source(entry.source);
    for (const auto* list : {&selection.failures, &failures})
      for (const auto& failure : *list) keep_source(failure.source);
  }

  PruneReport run() {
    for (const auto& [name, target] : targets_) {
      auto reason = reason_.empty() ? target.reason : reason_;
      if (reason.empty()) reason = prune(target);
      if (!reason.empty()) out_.unpruned.push_back({target.name, reason});
    }
    return std::move(out_);
  }

 private:
  Target& target(const oci::Reference& name) {
    auto place = place_of(session_, name);
    auto& out = targets_[place];
    out.name = {name.registry, name.repository, {}, std::nullopt};
    out.path = std::move(place.path);
    return out;
  }
  void note_tag(const oci::Reference& name) {
    if (!name.tag.empty()) tags_[place_of(session_, name).path].insert(name.tag);
  }
  void keep_source(const oci::Reference& source) {
    if (const auto found = targets_.find(place_of(session_, source)); found != targets_.end())
      refuse(found->second.name, "images are read from it, too");
  }
  void refuse(const oci::Reference& name, std::string reason) {
    auto& found = target(name);
    if (found.reason.empty()) found.reason = std::move(reason);
  }
  void note(const SelectionFailure& failure) {
    auto reason = concat(failure.source.to_string(), " failed");
    if (failure.destination)
      refuse(*failure.destination, std::move(reason));
    else if (reason_.empty())
      reason_ = concat(reason, ", and its destination is not known");
  }

  // Why nothing was pruned, if so.
  std::string prune(const Target& target) {
    std::exception_ptr failure;
    attempt(failure, [&] {
      RegistryClient client(session_, target.name, stop_, RegistryClient::Use::write);
      for (const auto& tag : superfluous(client, target)) {
        auto& pruned = out_.pruned.emplace_back();
        pruned.tag = target.name;
        pruned.tag.tag = tag;
        if (mode_ == SyncMode::copy) attempt(pruned.failure, [&] { remove_tag(client, tag); });
      }
    });
    return failure ? message_of(failure) : std::string();
  }

  std::set<std::string> superfluous(RegistryClient& client, const Target& target) {
    auto out = tags_of(client);
    // What has this path elsewhere may be this repository under a name that only DNS knows.
    if (const auto found = tags_.find(target.path); found != tags_.end())
      for (const auto& tag : found->second) out.erase(tag);
    std::optional<std::set<oci::Digest>> kept;
    std::erase_if(out, [&](const std::string& tag) {
      const auto about = parse_digest_tag(tag);
      if (!about) return false;
      if (!kept) kept = kept_digests(target);
      return kept->contains(about->subject);
    });
    return out;
  }

  // A repository that is not there has none.
  static std::set<std::string> tags_of(RegistryClient& client) {
    try {
      const auto tags = client.tags();
      return {tags.begin(), tags.end()};
    } catch (const RegistryError& error) {
      if (error.status() != 404) throw;
      return {};
    }
  }

  static std::set<oci::Digest> kept_digests(const Target& target) {
    std::set<oci::Digest> out;
    for (const auto* image : target.images) add_digests(*image->from, image->image, 0, out);
    return out;
  }

  RegistrySession& session_;
  SyncMode mode_;
  const std::stop_token& stop_;
  std::map<Place, Target> targets_;
  std::map<std::string, std::set<std::string>> tags_;  // of all images of the list, by their Place's path
  std::string reason_;                                 // why nothing is pruned anywhere
  PruneReport out_;
};

}  // namespace

PruneReport prune_destinations(RegistrySession& session, const ImageSelection& selection,
                               const std::vector<SelectionFailure>& failures, SyncMode mode,
                               const std::stop_token& stop) {
  return Prune(session, selection, failures, mode, stop).run();
}

}  // namespace dash::registry
