#include "registry/registry_client.hpp"

#include "base/text.hpp"
#include "registry/blob_download.hpp"
#include "registry/list_pages.hpp"
#include "registry/registry_error.hpp"

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;

const char* const kManifestTypes =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json, */*";

bool is_digest(const std::string& reference) {
  return reference.find(':') != std::string::npos;
}

std::string media_type_of(std::string_view content_type) {
  return std::string(trim(content_type.substr(0, content_type.find(';'))));
}

// What the document says it is, when the header does not.
std::string media_type_in(const std::string& bytes) {
  const auto json = Json::parse(bytes, nullptr, false);
  if (!json.is_object()) return {};
  if (const auto found = json.find("mediaType"); found != json.end() && found->is_string())
    return found->get<std::string>();
  if (json.contains("manifests")) return std::string(oci::media_type::kIndex);
  return json.contains("layers") ? std::string(oci::media_type::kManifest) : std::string();
}

Error too_large(const Reply& reply) {
  return std::move(Error(ErrorCode::unsupported,
                         concat(reply.shown(), ": the manifest is larger than ",
                                human_size(oci::kMaxDocumentSize), ", which no registry has to accept"))
                       .with_hint("split the index, or move annotations and embedded data into blobs"));
}

// Registries want to know from where foreign layers come, and most allow no place.
void throw_if_foreign(const RegistryError& error, std::string_view manifest, const std::string& media_type,
                      const std::string& registry) {
  if (!oci::media_type::is_manifest(media_type)) return;
  for (const auto& layer : oci::Manifest::parse(manifest, "what is pushed").layers) {
    if (!oci::media_type::is_foreign_layer(layer.media_type)) continue;
    const auto digest = layer.digest.to_string();
    for (const auto& entry : error.codes())
      if (entry.detail == digest)
        throw Error(ErrorCode::unsupported,
                    concat(registry, " takes no image with the foreign layer ", digest,
                           ", which is not to be distributed and stays where it is (", error.status(), ' ',
                           entry.code, ')'))
            .with_hint(
                "its operator allows it: in distribution with 'manifests: {urls: {allow: [^https://]}}' "
                "below "
                "'validation'; or use another registry, or an image that has all its layers");
  }
}

// Whether the head of an answer announces the blob, or its rest from `offset` on.
void check_blob_head(const Reply& reply, const oci::Descriptor& blob, std::uint64_t offset) {
  const auto missing = reply.status() == 206 ? offset : 0;
  if (const auto length = reply.answer->content_length(); length && *length != blob.size - missing)
    throw Error(ErrorCode::corrupt,
                concat(reply.shown(), ": the blob has ", *length + missing, " bytes instead of ", blob.size));
  if (reply.status() == 206 && !reply.header("Content-Range").starts_with(concat("bytes ", offset, '-')))
    throw Error(ErrorCode::corrupt, concat(reply.shown(), ": asked for the bytes from ", offset,
                                           ", the answer has ", dash::quoted(reply.header("Content-Range"))));
}

}  // namespace

RegistryClient::RegistryClient(RegistrySession& session, const oci::Reference& name, std::stop_token stop,
                               Use use)
    : session_(session), registry_(name.registry), repository_(name.repository), stop_(std::move(stop)) {
  if (registry_.empty())
    throw Error(ErrorCode::usage, concat(dash::quoted(name.to_string()), " names no registry"))
        .with_hint(concat("write it in full: REGISTRY/", name.to_string()));
  auto endpoints = session.hosts().endpoints(registry_, repository_);
  if (use == Use::write) endpoints.erase(endpoints.begin(), std::prev(endpoints.end()));
  for (auto& endpoint : endpoints)
    endpoints_.push_back(std::make_unique<EndpointClient>(session, std::move(endpoint), stop_));
}

Scopes RegistryClient::push_scopes() const {
  return {concat("repository:", repository_, ":pull,push")};
}

Call RegistryClient::read_call(std::string method, std::string path) const {
  Call call;
  call.method = std::move(method);
  call.path = std::move(path);
  call.scopes = {concat("repository:", repository_, ":pull")};
  return call;
}

// Mirrors in order, then the registry itself, whose answer counts whatever it is.
RegistryClient::Answered RegistryClient::read_from_any(By by, const Call& call) {
  auto once = call;
  once.retry = Call::Retry::no;
  for (std::size_t i = 0; i + 1 < endpoints_.size(); ++i) {
    auto& mirror = *endpoints_[i];
    if (by == By::tag ? !mirror.endpoint().resolves : !mirror.endpoint().pulls) continue;
    {
      const std::scoped_lock lock(mutex_);
      if (set_aside_.contains(&mirror)) continue;
    }
    try {
      auto reply = mirror.send(once);
      if (reply.status() < 300) return {std::move(reply), mirror};
      note_failure(mirror, concat(reply.shown(), ": ", reply.status()));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::canceled) throw;
      note_failure(mirror, error.message());
      set_aside(mirror);
    }
  }
  try {
    return {origin().send(call), origin()};
  } catch (Error& error) {
    name_failed_mirrors(error);
    throw;
  }
}

void RegistryClient::note_failure(const EndpointClient& mirror, std::string reason) {
  const std::scoped_lock lock(mutex_);
  mirror_failures_[&mirror] = std::move(reason);
}

void RegistryClient::name_failed_mirrors(Error& error) {
  const std::scoped_lock lock(mutex_);
  for (auto endpoint = endpoints_.rbegin(); endpoint != endpoints_.rend(); ++endpoint)
    if (const auto found = mirror_failures_.find(endpoint->get()); found != mirror_failures_.end())
      error.add_context(concat("after its mirror failed: ", found->second));
}

void RegistryClient::fail(EndpointClient& by, Reply& reply) {
  try {
    by.fail(reply);
  } catch (Error& error) {
    if (&by == &origin()) name_failed_mirrors(error);
    throw;
  }
}

// Asks a mirror for nothing any more; false for the registry itself.
bool RegistryClient::set_aside(const EndpointClient& endpoint) {
  if (&endpoint == endpoints_.back().get()) return false;
  const std::scoped_lock lock(mutex_);
  set_aside_.insert(&endpoint);
  return true;
}

bool RegistryClient::read_elsewhere(const oci::Digest& blob) {
  const EndpointClient* giver = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = blobs_given_by_.find(blob); found != blobs_given_by_.end()) giver = found->second;
  }
  return giver != nullptr && set_aside(*giver);
}

std::optional<oci::Descriptor> RegistryClient::resolve(const std::string& reference) {
  auto call = read_call("HEAD", "/manifests/" + reference);
  call.headers.add("Accept", kManifestTypes);
  const auto by = is_digest(reference) ? By::digest : By::tag;
  const auto reply = std::move(read_from_any(by, call).reply);
  if (reply.status() == 404) return std::nullopt;
  const auto digest = is_digest(reference) ? oci::Digest::try_parse(reference)
                                           : oci::Digest::try_parse(reply.header("Docker-Content-Digest"));
  auto type = media_type_of(reply.header("Content-Type"));
  const auto size = reply.answer->content_length();
  if (reply.status() == 200 && digest && !type.empty() && type != "text/html" && size && *size > 0)
    return oci::Descriptor{std::move(type), *digest, *size, {}, std::nullopt};
  // HEAD is not supported, does not say all, or was refused without a reason: the content itself tells.
  try {
    return manifest(reference).descriptor;
  } catch (const RegistryError& error) {
    if (error.code() == ErrorCode::not_found) return std::nullopt;
    throw;
  }
}

ManifestContent RegistryClient::manifest(const std::string& reference) {
  auto call = read_call("GET", "/manifests/" + reference);
  call.headers.add("Accept", kManifestTypes);
  const auto by = is_digest(reference) ? By::digest : By::tag;
  for (;;) {
    auto answered = read_from_any(by, call);
    if (answered.reply.status() != 200) fail(answered.by, answered.reply);
    try {
      return read_manifest(answered.reply, reference);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::canceled || !set_aside(answered.by)) throw;
      note_failure(answered.by, error.message());
    }
  }
}

ManifestContent RegistryClient::read_manifest(Reply& reply, const std::string& reference) const {
  if (reply.answer->content_length().value_or(0) > oci::kMaxDocumentSize) throw too_large(reply);
  std::string bytes;
  try {
    bytes = read_all(*reply.answer, oci::kMaxDocumentSize, "manifest");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt) throw too_large(reply);
    throw;
  }
  const auto digest = oci::Digest::of(bytes);
  const auto announced = reply.header("Docker-Content-Digest");
  const auto expected = is_digest(reference) ? std::string_view(reference) : announced;
  if (!expected.empty() && expected != digest.to_string())
    throw Error(ErrorCode::corrupt,
                concat(reply.shown(), ": the manifest does not match its digest: expected ", expected,
                       ", found ", digest.to_string()));
  auto type = media_type_of(reply.header("Content-Type"));
  if (const auto inside = media_type_in(bytes); type.empty() || type == "application/json" ||
                                                type == "text/plain" || type == "application/octet-stream")
    type = inside;
  if (type.empty() || type == "text/html")
    throw Error(ErrorCode::unsupported, concat(reply.shown(), ": the answer is no manifest"))
        .with_hint(kNoRegistryHint);
  return {{std::move(type), digest, bytes.size(), {}, std::nullopt}, std::move(bytes)};
}

oci::Descriptor RegistryClient::put_manifest(const std::string& reference, std::string_view bytes,
                                             const std::string& media_type) {
  auto stored = store_manifest(reference, bytes, media_type);
  if (stored.referrers == Referrers::listed_by_client)
    if (const auto subject = subject_of(bytes)) list_referrer(*subject, stored.manifest, bytes);
  return std::move(stored.manifest);
}

RegistryClient::StoredManifest RegistryClient::store_manifest(const std::string& reference,
                                                              std::string_view bytes,
                                                              const std::string& media_type) {
  const oci::Descriptor out{media_type, oci::Digest::of(bytes), bytes.size(), {}, std::nullopt};
  MemorySource body(bytes);
  Call call;
  call.method = "PUT";
  call.path = "/manifests/" + reference;
  call.scopes = push_scopes();
  call.headers.add("Content-Type", media_type);
  call.body = &body;
  call.body_size = bytes.size();
  auto reply = origin().send(call);
  if (reply.status() != 201 && reply.status() != 200 && reply.status() != 202) try {
      origin().fail(reply);
    } catch (const RegistryError& error) {
      throw_if_foreign(error, bytes, media_type, registry_);
      throw;
    }
  if (const auto stored = oci::Digest::try_parse(reply.header("Docker-Content-Digest"));
      stored && *stored != out.digest)
    throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the registry stored ", stored->to_string(),
                                           " instead of ", out.digest.to_string()));
  return {out,
          reply.header("OCI-Subject").empty() ? Referrers::listed_by_client : Referrers::listed_by_registry};
}

bool RegistryClient::delete_manifest(const std::string& reference) {
  Call call;
  call.method = "DELETE";
  call.path = "/manifests/" + reference;
  call.scopes = {concat("repository:", repository_, ":delete,pull,push")};
  auto reply = origin().send(call);
  if (reply.status() == 404) return false;
  if (reply.status() / 100 != 2) origin().fail(reply);
  return true;
}

std::vector<std::string> RegistryClient::tags(std::size_t limit) {
  std::vector<std::string> out;
  ListPages pages;
  auto call = read_call("GET", "/tags/list?n=1000");
  for (;;) {
    auto reply = origin().send(call);
    if (reply.status() != 200) origin().fail(reply);
    for (auto& tag : read_names(reply, "tags", "tags")) out.push_back(std::move(tag));
    if (out.size() > limit)
      throw Error(ErrorCode::unsupported, concat(reply.shown(), ": more than ", limit, " tags"));
    call.url = pages.next(reply);
    if (!call.url) return out;
  }
}

bool RegistryClient::has_blob(const oci::Descriptor& blob) {
  auto call = read_call("HEAD", "/blobs/" + blob.digest.to_string());
  call.scopes = push_scopes();  // asked before uploads: one token does for all
  auto reply = origin().send(call);
  // One of another size is damaged: sending it again may mend it.
  if (reply.status() == 200) return reply.answer->content_length().value_or(blob.size) == blob.size;
  if (reply.status() == 404 || reply.status() == 405) return false;
  origin().fail(reply);
}

Reply RegistryClient::open_blob(const oci::Descriptor& blob, std::uint64_t offset) {
  auto call = read_call("GET", "/blobs/" + blob.digest.to_string());
  call.wire = HttpRequest::Wire::own;
  if (offset > 0) call.headers.add("Range", concat("bytes=", offset, '-'));
  for (;;) {
    auto [reply, by] = read_from_any(By::digest, call);
    if (reply.status() != 200 && (reply.status() != 206 || offset == 0)) fail(by, reply);
    {
      const std::scoped_lock lock(mutex_);
      blobs_given_by_[blob.digest] = &by;
    }
    try {
      check_blob_head(reply, blob, offset);
      return std::move(reply);
    } catch (const Error&) {
      if (!set_aside(by)) throw;
    }
  }
}

std::unique_ptr<Source> RegistryClient::blob_from(const oci::Descriptor& blob, std::uint64_t offset) {
  return download_blob([this, blob](std::uint64_t from) { return open_blob(blob, from); }, blob, offset,
                       session_.settings().retry, stop_);
}

namespace {

class RemoteBlob : public BlobSource {
 public:
  RemoteBlob(RegistryClient& client, oci::Descriptor blob)
      : client_(client), blob_(std::move(blob)), content_(open()) {}
  std::size_t read(MutableBytes buffer) override { return content_->read(buffer); }
  void seek(std::uint64_t offset) override { content_->seek(offset); }
  void mark() override { content_->mark(); }
  std::uint64_t position() const override { return content_->position(); }
  bool start_elsewhere() override {
    if (!client_.read_elsewhere(blob_.digest)) return false;
    content_ = open();
    return true;
  }

 private:
  std::unique_ptr<BlobSource> open() const {
    return open_verified(
        [this](std::uint64_t offset) { return client_.blob_from(blob_, offset); }, blob_,
        concat(client_.registry(), '/', client_.repository(), '@', blob_.digest.to_string()));
  }

  RegistryClient& client_;
  oci::Descriptor blob_;
  std::unique_ptr<BlobSource> content_;
};

}  // namespace

std::unique_ptr<BlobSource> RegistryClient::blob(const oci::Descriptor& blob) {
  return std::make_unique<RemoteBlob>(*this, blob);
}

std::optional<Url> RegistryClient::mount_blob(const oci::Digest& digest, const std::string& from) {
  Call call;
  call.method = "POST";
  call.path =
      concat("/blobs/uploads/?mount=", percent_encode(digest.to_string()), "&from=", percent_encode(from));
  call.scopes = push_scopes();
  call.scopes.insert(concat("repository:", from, ":pull"));
  auto reply = origin().send(call);
  if (reply.status() == 201) return std::nullopt;
  if (reply.status() == 202) return reply.location();
  origin().fail(reply);
}

}  // namespace dash::registry
