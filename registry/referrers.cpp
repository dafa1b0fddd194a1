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
