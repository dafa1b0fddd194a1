#include "registry/mirror/platform_choice.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using OrderedJson = nlohmann::ordered_json;

// Where BuildKit says which image an attestation is about.
constexpr const char* kSubject = "vnd.docker.reference.digest";

bool fits(const oci::Descriptor& entry, const oci::Platform& wanted) {
  return entry.platform && oci::fits(*entry.platform, wanted);
}

bool is_image(const oci::Descriptor& entry) {
  return (oci::media_type::is_manifest(entry.media_type) || oci::media_type::is_index(entry.media_type)) &&
         !entry.annotations.contains(kSubject);
}

[[noreturn]] void throw_absent(const std::vector<oci::Descriptor>& entries, const oci::Platform& wanted,
                               std::string_view name) {
  std::set<std::string> there;
  for (const auto& entry : entries)
    if (is_image(entry) && entry.platform) there.insert(oci::to_string(*entry.platform));
  throw Error(ErrorCode::not_found,
              concat(name, " has no image for ", oci::to_string(wanted), "; it has ",
                     there.empty() ? "none with a platform" : join({there.begin(), there.end()}, ", ")))
      .with_hint("leave the platform out, or give the image 'platforms' of its own");
}

}  // namespace

PlatformChoice choose_platforms(const Document& index, const std::vector<oci::Platform>& platforms,
                                std::string_view name) {
  const auto entries = oci::Index::parse(index.bytes, name).manifests;
  for (const auto& wanted : platforms)
    if (std::none_of(entries.begin(), entries.end(),
                     [&](const auto& entry) { return is_image(entry) && fits(entry, wanted); }))
      throw_absent(entries, wanted, name);
  PlatformChoice out{index, {}};
  std::set<std::string> digests;
  for (const auto& entry : entries) {
    const bool chosen =
        is_image(entry) && std::any_of(platforms.begin(), platforms.end(),
                                       [&](const auto& wanted) { return fits(entry, wanted); });
    if (chosen && digests.insert(entry.digest.to_string()).second) out.images.push_back(entry);
  }
  if (out.images.size() == 1) {
    out.root = {out.images.front(), {}};
    return out;
  }
  // The entries are the same in both, and in the same order.
  auto json = OrderedJson::parse(index.bytes);
  auto kept = OrderedJson::array();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto subject = entries[i].annotations.find(kSubject);
    const auto about =
        subject == entries[i].annotations.end() ? entries[i].digest.to_string() : subject->second;
    if (digests.contains(about)) kept.push_back(json["manifests"][i]);
  }
  if (kept.size() == entries.size()) return out;
  json["manifests"] = std::move(kept);
  auto bytes = json.dump();
  const oci::Descriptor made{
      index.descriptor.media_type, oci::Digest::of(bytes), bytes.size(), {}, std::nullopt};
  out.root = {made, std::move(bytes)};
  return out;
}

std::vector<oci::Descriptor> images_of(const Document& index, std::string_view name) {
  auto out = oci::Index::parse(index.bytes, name).manifests;
  std::erase_if(out, [](const oci::Descriptor& entry) { return !is_image(entry); });
  return out;
}

}  // namespace dash::registry
