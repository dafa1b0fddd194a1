// RegistryClient's part about what refers to manifests (distribution-spec "Listing Referrers", "Referrers Tag
// Schema").
#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/list_pages.hpp"
#include "registry/registry_client.hpp"
#include "registry/registry_error.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr unsigned kListTries = 5;
constexpr std::size_t kMaxReferrers = 100'000;  // of one subject

std::string referrers_tag(const oci::Digest& subject) {
  auto out = subject.to_string();
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
  if (out.size() > kMaxReferrers)
    throw Error(ErrorCode::unsupported, concat(name, ": more than ", kMaxReferrers, " referrers"));
}

// How the list of referrers names one (distribution-spec "Referrers Tag Schema").
OrderedJson entry_of(const oci::Descriptor& manifest, std::string_view bytes) {
  const auto json = OrderedJson::parse(bytes);
  OrderedJson entry = {
      {"mediaType", manifest.media_type}, {"digest", manifest.digest.to_string()}, {"size", manifest.size}};
  if (auto type = json.value("artifactType", std::string()); !type.empty())
    entry["artifactType"] = type;
  else if (json.contains("config") && json["config"].is_object())
    entry["artifactType"] = json["config"].value("mediaType", std::string());
  if (json.contains("annotations")) entry["annotations"] = json["annotations"];
  return entry;
}

std::set<oci::Digest> digests_in(const OrderedJson& index) {
  std::set<oci::Digest> out;
  for (const auto& entry : index.at("manifests"))
    if (const auto digest = oci::Digest::try_parse(entry.value("digest", std::string()))) out.insert(*digest);
  return out;
}

}  // namespace

std::vector<Referrer> RegistryClient::referrers(const oci::Digest& subject,
                                                const std::string& artifact_type) {
  if (auto out = referrers_from_api(subject, artifact_type)) return *std::move(out);
  return referrers_from_tag(subject, artifact_type);
}

std::optional<std::vector<Referrer>> RegistryClient::referrers_from_api(const oci::Digest& subject,
                                                                        const std::string& artifact_type) {
  if (referrers_api_ == Api::missing) return std::nullopt;
  std::vector<Referrer> out;
  auto path = "/referrers/" + subject.to_string();
  if (!artifact_type.empty()) path += "?artifactType=" + percent_encode(artifact_type);
  auto call = read_call("GET", path);
  call.headers.add("Accept", std::string(oci::media_type::kIndex));
  ListPages pages;
  for (;;) {
    auto reply = origin().send(call);
    if (reply.status() == 404 || reply.status() == 405 || reply.status() == 400) {
      referrers_api_ = Api::missing;
      return std::nullopt;
    }
    if (reply.status() != 200) origin().fail(reply);
    const auto body = read_all(*reply.answer, kMaxListPage, reply.shown());
    const auto json = Json::parse(body, nullptr, false);
    if (!json.is_object() || !json.contains("manifests") || !json["manifests"].is_array())
      throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the answer is no list of referrers"));
    add_referrers(body, artifact_type, reply.shown(), out);
    referrers_api_ = Api::there;
    call.url = pages.next(reply);
    if (!call.url) return out;
  }
}

bool RegistryClient::has_referrers_api(const oci::Digest& subject) {
  const std::scoped_lock search(referrers_api_search_);  // one asks, the others wait
  if (referrers_api_ == Api::unknown) referrers_from_api(subject);
  return referrers_api_ == Api::there;
}

// distribution-spec "Referrers Tag Schema".
std::vector<Referrer> RegistryClient::referrers_from_tag(const oci::Digest& subject,
                                                         const std::string& artifact_type) {
  std::vector<Referrer> out;
  const auto tag = referrers_tag(subject);
  try {
    const auto list = manifest(tag);
    if (oci::media_type::is_index(list.descriptor.media_type))
      add_referrers(list.bytes, artifact_type, concat(registry_, '/', repository_, ':', tag), out);
  } catch (const RegistryError& error) {
    if (error.code() != ErrorCode::not_found) throw;
  }
  return out;
}

// What the registry itself has, not one of its mirrors. Nothing when the tag is not there, or no index.
std::optional<ManifestContent> RegistryClient::referrers_list(const std::string& tag) {
  auto call = read_call("GET", "/manifests/" + tag);
  call.headers.add("Accept", std::string(oci::media_type::kIndex));
  auto reply = origin().send(call);
  if (reply.status() == 404) return std::nullopt;
  if (reply.status() != 200) origin().fail(reply);
  auto out = read_manifest(reply, tag);
  if (!oci::media_type::is_index(out.descriptor.media_type)) return std::nullopt;
  return out;
}

RegistryClient::ReferrerList& RegistryClient::referrer_list_of(const oci::Digest& subject) {
  const std::scoped_lock lock(mutex_);
  return referrer_lists_[subject];
}

bool RegistryClient::lists_referrer(const oci::Digest& subject, const oci::Digest& referrer) try {
  if (has_referrers_api(subject)) return true;
  auto& list = referrer_list_of(subject);
  const std::scoped_lock lock(list.mutex);
  if (!list.digests) {
    const auto there = referrers_list(referrers_tag(subject));
    list.digests = there ? digests_in(OrderedJson::parse(there->bytes)) : std::set<oci::Digest>();
  }
  return list.digests->contains(referrer);
} catch (const OrderedJson::exception& fault) {
  throw Error(ErrorCode::corrupt,
              concat("the list of referrers of ", subject.to_string(), " is not an index: ", fault.what()));
}

void RegistryClient::list_referrer(const oci::Digest& subject, const oci::Descriptor& referrer,
                                   std::string_view bytes) try {
  const auto tag = referrers_tag(subject);
  const std::scoped_lock one_of_this_session(session_.referrer_lists());
  for (unsigned tries = 0;; ++tries) {
    OrderedJson index = {
        {"schemaVersion", 2}, {"mediaType", oci::media_type::kIndex}, {"manifests", OrderedJson::array()}};
    if (const auto there = referrers_list(tag)) index = OrderedJson::parse(there->bytes);
    auto digests = digests_in(index);
    if (digests.contains(referrer.digest)) {
      auto& list = referrer_list_of(subject);
      const std::scoped_lock lock(list.mutex);
      list.digests = std::move(digests);
      return;
    }
    if (tries == kListTries)
      throw Error(ErrorCode::unavailable,
                  concat("the list of referrers of ", subject.to_string(), " in ", registry_, '/',
                         repository_, " (tag ", tag, ") is changed by others all the time"))
          .with_hint("run this again when the other programs are done; what was sent stays");
    index["manifests"].push_back(entry_of(referrer, bytes));
    store_manifest(tag, index.dump(), std::string(oci::media_type::kIndex));
  }
} catch (const OrderedJson::exception& fault) {
  throw Error(ErrorCode::corrupt,
              concat("the list of referrers of ", subject.to_string(), " is not an index: ", fault.what()));
}

std::optional<oci::Digest> subject_of(std::string_view document) {
  const auto json = Json::parse(document, nullptr, false);
  if (!json.is_object() || !json.contains("subject") || !json["subject"].is_object()) return std::nullopt;
  return oci::Digest::try_parse(text_at(json["subject"], "digest"));
}

}  // namespace dash::registry
