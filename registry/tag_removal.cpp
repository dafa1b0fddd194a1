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

Error deletes_nothing(const RegistryClient& client, const std::string& name) {
  return std::move(Error(ErrorCode::unsupported,
                         concat(client.registry(), '/', client.repository(), name,
                                " was not removed: ", client.registry(), " does not allow deleting (405)"))
                       .with_hint("its operator allows it: in distribution with 'delete: {enabled: true}' "
                                  "below 'storage', or REGISTRY_STORAGE_DELETE_ENABLED=true"));
}

template <class Write>
auto unless_read_only(const RegistryClient& client, const std::string& tag, Write&& write) {
  try {
    return write();
  } catch (const RegistryError& error) {
    if (error.status() != 405) throw;
    throw Error(ErrorCode::unsupported,
                concat(client.registry(), '/', client.repository(), ':', tag,
                       " was not removed: ", client.registry(), " takes no writes (405)"))
        .with_hint("it is read-only, or a cache of another registry: ask its operator");
  }
}

// `name` is what was asked for: ":TAG" or "@DIGEST".
bool delete_by_digest(RegistryClient& client, const std::string& digest, const std::string& name) {
  try {
    return client.delete_manifest(digest);
  } catch (const RegistryError& error) {
    if (error.status() != 405) throw;
    throw deletes_nothing(client, name);
  }
}

}  // namespace

bool remove_tag(RegistryClient& client, const std::string& tag) {
  try {
    return client.delete_manifest(tag);
  } catch (const RegistryError& error) {
    if (!takes_digests_only(error)) throw;
  }
  if (!client.resolve(tag)) return false;
  const auto stand_in = unless_read_only(client, tag, [&] { return make_stand_in(client, tag); });
  const std::string type(oci::media_type::kManifest);
  const auto digest = oci::Digest::of(stand_in).to_string();
  for (const auto& reference : {digest, tag}) {
    unless_read_only(client, tag, [&] { return client.put_manifest(reference, stand_in, type); });
    delete_by_digest(client, digest, ':' + tag);
  }
  return true;
}

bool remove_manifest(RegistryClient& client, const oci::Digest& digest) {
  return delete_by_digest(client, digest.to_string(), '@' + digest.to_string());
}

}  // namespace dash::registry
