#include "registry/tag_removal.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/registry_error.hpp"
#include "registry/upload.hpp"

namespace dash::registry {

namespace {

constexpr std::string_view kEmptyObject = "{}";

// Whether the registry does not know DELETE for tags. distribution 2.8 takes the tag for a digest, and a
// wrong one.
bool takes_digests_only(const RegistryError& error) {
  return error.status() == 405 || error.has_code("UNSUPPORTED") || error.has_code("DIGEST_INVALID");
}

// A manifest that nobody else has, with what it needs in the registry.
std::string make_stand_in(RegistryClient& client, const std::string& tag) {
  const oci::Descriptor config{std::string(oci::media_type::kConfig),
                               oci::Digest::of(kEmptyObject),
                               kEmptyObject.size(),
                               {},
                               std::nullopt};
  if (!client.has_blob(config)) {
    const auto blob = open_verified(
        [](std::uint64_t offset) {
          return std::make_unique<MemorySource>(kEmptyObject.substr(static_cast<std::size_t>(offset)));
        },
        config, "an empty configuration");
    upload_blob(client, config, *blob, {});
  }
  return oci::Manifest{config, {}, {{"org.opencontainers.image.title", concat("removed tag ", tag)}}}
      .to_json();
}

}  // namespace

bool remove_tag(RegistryClient& client, const std::string& tag) {
  try {
    return client.delete_manifest(tag);
  } catch (const RegistryError& error) {
    if (!takes_digests_only(error)) throw;
  }
  if (!client.resolve(tag)) return false;
  const auto stand_in = make_stand_in(client, tag);
  const std::string type(oci::media_type::kManifest);
  const auto digest = oci::Digest::of(stand_in).to_string();
  for (const auto& reference : {digest, tag}) {
    client.put_manifest(reference, stand_in, type);
    client.delete_manifest(digest);
  }
  return true;
}

}  // namespace dash::registry
