#include "registry/registry_client.hpp"

#include "base/text.hpp"
#include "registry/list_pages.hpp"
#include "registry/registry_error.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::uint64_t kProgressThatCounts = std::uint64_t{1} << 20;

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

// A blob's bytes from `offset` on, over as many connections as it takes.
class BlobDownload : public Source {
 public:
  using Open = std::function<Reply(std::uint64_t offset)>;
  BlobDownload(Open open, oci::Descriptor blob, std::uint64_t offset, const RetryPolicy& policy,
               std::stop_token stop)
      : open_(std::move(open)),
        blob_(std::move(blob)),
        position_(offset),
        policy_(policy),
        stop_(std::move(stop)),
        backoff_(policy) {
    connect();  // so that what is not there is known at once
  }

  std::size_t read(MutableBytes buffer) override {
    const auto left = blob_.size - position_;
    if (left == 0) {
      check_end();
      return 0;
    }
    for (;;) {
      try {
        if (!reply_) connect();
        const auto count = reply_->answer->read(
            buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))));
        if (count == 0 && !buffer.empty()) throw_short();
        position_ += count;
        since_failure_ += count;
        return count;
      } catch (const TransferError& error) {
        reply_.reset();
        if (!error.is_transient()) throw;
        if (since_failure_ >= kProgressThatCounts) backoff_.emplace(policy_);
        since_failure_ = 0;
        const auto wait = backoff_->next();
        if (!wait) throw;
        pause_for(*wait, stop_);
      }
    }
  }

 private:
  void connect() {
    reply_.emplace(open_(position_));
    const auto from_start = reply_->status() == 200;
    if (from_start && position_ > 0) skip_body(position_);  // ranges are optional for a registry
  }
  void skip_body(std::uint64_t count) {
    std::vector<std::byte> buffer(kStreamBlock);
    while (count > 0) {
      const auto got = reply_->answer->read(MutableBytes(buffer).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer.size()))));
      if (got == 0) throw_short();
      count -= got;
    }
  }
  [[noreturn]] void throw_short() const {
    throw Error(ErrorCode::corrupt,
                concat(reply_->shown(), ": the blob ends after ", position_, " of ", blob_.size, " bytes"));
  }
  void check_end() {
    if (!reply_) return;
    std::byte more{};
    const auto count = reply_->answer->read(MutableBytes(&more, 1));
    const auto shown = reply_->shown();
    reply_.reset();
    if (count > 0)
      throw Error(ErrorCode::corrupt, concat(shown, ": the blob is longer than ", blob_.size, " bytes"));
  }

  Open open_;
  oci::Descriptor blob_;
  std::uint64_t position_;
  const RetryPolicy& policy_;
  std::stop_token stop_;
  std::optional<Backoff> backoff_;
  std::optional<Reply> reply_;
  std::uint64_t since_failure_ = 0;
};

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
    } catch (const Error& error) {
      if (error.code() == ErrorCode::canceled) throw;
      set_aside(mirror);
    }
  }
  return {origin().send(call), origin()};
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
    if (answered.reply.status() != 200) answered.by.fail(answered.reply);
    try {
      return read_manifest(answered.reply, reference);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::canceled || !set_aside(answered.by)) throw;
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
        .with_hint("this may be no registry, or a proxy or a page for logging in answers in its place");
  return {{std::move(type), digest, bytes.size(), {}, std::nullopt}, std::move(bytes)};
}

oci::Descriptor RegistryClient::put_manifest(const std::string& reference, std::string_view bytes,
                                             const std::string& media_type) {
  auto stored = store_manifest(reference, bytes, media_type);
  const auto json = Json::parse(bytes, nullptr, false);
  if (json.is_object() && json.contains("subject") && json["subject"].is_object() &&
      stored.referrers == Referrers::listed_by_client)
    list_referrer(json["subject"].value("digest", std::string()), stored.manifest, bytes);
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
  if (reply.status() != 201 && reply.status() != 200 && reply.status() != 202) origin().fail(reply);
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
    if (reply.status() != 200 && (reply.status() != 206 || offset == 0)) by.fail(reply);
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
  return std::make_unique<BlobDownload>([this, blob](std::uint64_t from) { return open_blob(blob, from); },
                                        blob, offset, session_.settings().retry, stop_);
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

bool RegistryClient::delete_blob(const oci::Digest& digest) {
  Call call;
  call.method = "DELETE";
  call.path = "/blobs/" + digest.to_string();
  call.scopes = {concat("repository:", repository_, ":delete,pull,push")};
  auto reply = origin().send(call);
  if (reply.status() == 404) return false;
  if (reply.status() / 100 != 2) origin().fail(reply);
  return true;
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

namespace {

std::string referrers_tag(const std::string& digest) {
  auto out = digest;
  std::replace(out.begin(), out.end(), ':', '-');
  return out.substr(0, 128);
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void add_referrers(const std::string& body, const std::string& artifact_type, std::string_view name,
                   std::vector<Referrer>& out) {
  const auto index = oci::Index::parse(body, name);
  const auto json = Json::parse(body);
  for (std::size_t i = 0; i < index.manifests.size(); ++i) {
    const auto type = text_at(json["manifests"][i], "artifactType");
    if (artifact_type.empty() || artifact_type == type) out.push_back({index.manifests[i], type});
  }
}

}  // namespace

std::vector<Referrer> RegistryClient::referrers(const oci::Digest& subject,
                                                const std::string& artifact_type) {
  if (auto out = referrers_from_api(subject, artifact_type)) return *std::move(out);
  return referrers_from_tag(subject, artifact_type);
}

std::optional<std::vector<Referrer>> RegistryClient::referrers_from_api(const oci::Digest& subject,
                                                                        const std::string& artifact_type) {
  if (lacks_referrers_api_) return std::nullopt;
  std::vector<Referrer> out;
  auto path = "/referrers/" + subject.to_string();
  if (!artifact_type.empty()) path += "?artifactType=" + percent_encode(artifact_type);
  auto call = read_call("GET", path);
  call.headers.add("Accept", std::string(oci::media_type::kIndex));
  ListPages pages;
  for (;;) {
    auto reply = origin().send(call);
    if (reply.status() == 404 || reply.status() == 405 || reply.status() == 400) {
      lacks_referrers_api_ = true;
      return std::nullopt;
    }
    if (reply.status() != 200) origin().fail(reply);
    const auto body = read_all(*reply.answer, kMaxListPage, reply.shown());
    const auto json = Json::parse(body, nullptr, false);
    if (!json.is_object() || !json.contains("manifests") || !json["manifests"].is_array())
      throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the answer is no list of referrers"));
    add_referrers(body, artifact_type, reply.shown(), out);
    call.url = pages.next(reply);
    if (!call.url) return out;
  }
}

// distribution-spec "Referrers Tag Schema".
std::vector<Referrer> RegistryClient::referrers_from_tag(const oci::Digest& subject,
                                                         const std::string& artifact_type) {
  std::vector<Referrer> out;
  const auto tag = referrers_tag(subject.to_string());
  try {
    const auto list = manifest(tag);
    if (oci::media_type::is_index(list.descriptor.media_type))
      add_referrers(list.bytes, artifact_type, concat(registry_, '/', repository_, ':', tag), out);
  } catch (const RegistryError& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
  return out;
}

void RegistryClient::list_referrer(const std::string& subject, const oci::Descriptor& manifest_descriptor,
                                   std::string_view bytes) try {
  if (!oci::Digest::try_parse(subject)) return;
  const auto tag = referrers_tag(subject);
  const std::scoped_lock lock(session_.referrer_lists());
  OrderedJson index = {
      {"schemaVersion", 2}, {"mediaType", oci::media_type::kIndex}, {"manifests", OrderedJson::array()}};
  if (const auto there = resolve(tag); there && oci::media_type::is_index(there->media_type))
    index = OrderedJson::parse(manifest(tag).bytes);
  const auto digest = manifest_descriptor.digest.to_string();
  for (const auto& entry : index["manifests"])
    if (entry.value("digest", std::string()) == digest) return;
  const auto json = OrderedJson::parse(bytes);
  OrderedJson entry = {
      {"mediaType", manifest_descriptor.media_type}, {"digest", digest}, {"size", manifest_descriptor.size}};
  if (auto type = json.value("artifactType", std::string()); !type.empty())
    entry["artifactType"] = type;
  else if (json.contains("config") && json["config"].is_object())
    entry["artifactType"] = json["config"].value("mediaType", std::string());
  if (json.contains("annotations")) entry["annotations"] = json["annotations"];
  index["manifests"].push_back(std::move(entry));
  store_manifest(tag, index.dump(), std::string(oci::media_type::kIndex));
} catch (const OrderedJson::exception& fault) {
  throw Error(ErrorCode::corrupt,
              concat("the list of referrers of ", subject, " is not an index: ", fault.what()));
}

}  // namespace dash::registry
