// One repository of a registry (OCI distribution-spec 1.1): manifests, tags, blobs, referrers.
#pragma once

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/blob_source.hpp"
#include "registry/endpoint_client.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

// A manifest, index or artifact as the registry has it, byte by byte.
struct ManifestContent {
  oci::Descriptor descriptor;
  std::string bytes;
};

// What refers to a manifest (signatures, attestations, SBOMs …).
struct Referrer {
  oci::Descriptor descriptor;
  std::string artifact_type;
};

// Reads go to the mirrors first and fall back to the next one, also when content is not what its digest says;
// a mirror gets one try, the registry itself as many as the policy allows. Writes go there only. Thread-safe.
// The session must outlive it.
//
// Failures: RegistryError for answers that should not be, TransferError when there is none, Error(corrupt)
// for content that is not what its digest says, Error(canceled). Everything read is checked by size and
// digest.
class RegistryClient {
 public:
  // `name` has a registry; its tag and digest do not count.
  enum class Use { read, write };
  RegistryClient(RegistrySession& session, const oci::Reference& name, std::stop_token stop,
                 Use use = Use::read);

  RegistrySession& session() const { return session_; }
  const std::stop_token& stop() const { return stop_; }
  const std::string& registry() const { return registry_; }
  const std::string& repository() const { return repository_; }

  // What `reference` (a tag or "sha256:…") points to: one HEAD request. Nothing when it is not there.
  std::optional<oci::Descriptor> resolve(const std::string& reference);
  // The manifest itself; over 4 MiB is refused. `reference` that is a digest is checked against the content.
  ManifestContent manifest(const std::string& reference);
  // Stores a manifest under a tag or its own digest. When it has a subject and the registry does not keep
  // referrers itself, the list that stands in for it (tag sha256-<hex>) is brought up to date: by one thread
  // of a session at a time, and read again afterwards, because registries cannot change a tag on condition.
  // Another process that writes the same list in just that moment may still take an entry out of it; a later
  // run that asks `lists_referrer` puts it back.
  oci::Descriptor put_manifest(const std::string& reference, std::string_view bytes,
                               const std::string& media_type);
  // Removes a tag or, by digest, a manifest with all its tags; false when it was not there.
  bool delete_manifest(const std::string& reference);

  // All tags, in the registry's order. At most `limit` (more is an Error(unsupported)).
  std::vector<std::string> tags(std::size_t limit = 1'000'000);

  // Whether the registry has it, in the right size.
  bool has_blob(const oci::Descriptor& blob);
  // Continues by itself where a connection breaks.
  std::unique_ptr<BlobSource> blob(const oci::Descriptor& blob);
  // The rest from `offset` on, checked by size only: for callers that have the bytes before it and check the
  // whole. Continues by itself, too.
  std::unique_ptr<Source> blob_from(const oci::Descriptor& blob, std::uint64_t offset);
  // What was read of this blob turned out to be wrong. True when it came from a mirror, which is not asked
  // for anything any more, so that reading it again can be different.
  bool read_elsewhere(const oci::Digest& blob);
  // Makes a blob of another repository of this registry ours. Nothing when the registry did; otherwise the
  // upload that it began instead.
  std::optional<Url> mount_blob(const oci::Digest& digest, const std::string& from);

  // What refers to `subject`, from the referrers API or from the tag that stands in for it. An empty
  // `artifact_type` means all.
  std::vector<Referrer> referrers(const oci::Digest& subject, const std::string& artifact_type = {});
  // The two by themselves. Nothing when the registry does not know the API, which is asked once only.
  std::optional<std::vector<Referrer>> referrers_from_api(const oci::Digest& subject,
                                                          const std::string& artifact_type = {});
  std::vector<Referrer> referrers_from_tag(const oci::Digest& subject, const std::string& artifact_type = {});
  // Whether whoever asks the registry itself for what refers to `subject` is told of `referrer`, which is
  // there: a registry with the API knows by itself, and is asked for that once; otherwise the tag is read,
  // once for each subject.
  bool lists_referrer(const oci::Digest& subject, const oci::Digest& referrer);

  // The endpoint that takes content, for uploads (upload.hpp).
  EndpointClient& origin() { return *endpoints_.back(); }
  Scopes push_scopes() const;

 private:
  struct Answered {
    Reply reply;
    EndpointClient& by;
  };
  enum class By { tag, digest };
  Answered read_from_any(By by, const Call& call);
  bool set_aside(const EndpointClient& endpoint);
  void note_failure(const EndpointClient& mirror, std::string reason);
  // Adds to an error of the registry itself what its mirrors said before.
  void name_failed_mirrors(Error& error);
  // As EndpointClient::fail.
  [[noreturn]] void fail(EndpointClient& by, Reply& reply);
  Reply open_blob(const oci::Descriptor& blob, std::uint64_t offset);
  Call read_call(std::string method, std::string path) const;
  ManifestContent read_manifest(Reply& reply, const std::string& reference) const;
  enum class Referrers { listed_by_registry, listed_by_client };
  struct StoredManifest {
    oci::Descriptor manifest;
    Referrers referrers = Referrers::listed_by_client;
  };
  StoredManifest store_manifest(const std::string& reference, std::string_view bytes,
                                const std::string& media_type);
  // Of one subject, in the tag that stands in for the API.
  struct ReferrerList {
    std::mutex mutex;
    std::optional<std::set<oci::Digest>> digests;  // nothing before they were read
  };
  ReferrerList& referrer_list_of(const oci::Digest& subject);
  bool has_referrers_api(const oci::Digest& subject);
  std::optional<ManifestContent> referrers_list(const std::string& tag);
  void list_referrer(const oci::Digest& subject, const oci::Descriptor& manifest, std::string_view bytes);

  RegistrySession& session_;
  std::string registry_;
  std::string repository_;
  std::stop_token stop_;
  std::vector<std::unique_ptr<EndpointClient>> endpoints_;
  enum class Api { unknown, there, missing };
  std::atomic<Api> referrers_api_ = Api::unknown;
  std::mutex referrers_api_search_;
  std::mutex mutex_;
  std::set<const EndpointClient*> set_aside_;  // mirrors that failed, or gave wrong content
  std::map<const EndpointClient*, std::string> mirror_failures_;  // the last of each
  std::map<oci::Digest, const EndpointClient*> blobs_given_by_;   // by mirrors
  std::map<oci::Digest, ReferrerList> referrer_lists_;            // by subject; entries stay where they are
};

// What a manifest or index refers to; nothing when it does not, or is no document.
std::optional<oci::Digest> subject_of(std::string_view document);

}  // namespace dash::registry
