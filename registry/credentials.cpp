#include "registry/credentials.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "registry/base64.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxFileSize = std::uint64_t{4} << 20;
constexpr std::string_view kTokenUser = "<token>";  // helpers say so when the secret is an identity token

// The file's JSON object; an empty object when there is no file. No parser text in messages: it quotes.
Json read_document(const fs::path& file) {
  const auto text = read_file_if_exists(file, kMaxFileSize);
  if (!text || trim(*text).empty()) return Json::object();
  auto out = Json::parse(*text, nullptr, false);
  if (out.is_discarded() || !out.is_object())
    throw Error(ErrorCode::invalid_input, concat(file.string(), " is not a JSON object"))
        .with_hint(
            "this file holds registry credentials; mend it, or write it again with 'dash-build login'");
  return out;
}

std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json* object_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

// "https://registry.example/v1/" and "registry.example" are the same key.
std::string normal_key(std::string_view key) {
  if (const auto scheme = key.find("://"); scheme != std::string_view::npos) key.remove_prefix(scheme + 3);
  while (key.ends_with('/')) key.remove_suffix(1);
  for (const std::string_view version : {"/v1", "/v2"})
    if (key.ends_with(version)) key.remove_suffix(version.size());
  return std::string(key);
}

std::string helper_for(const Json& document, const std::string& registry) {
  if (const auto* helpers = object_at(document, "credHelpers"))
    if (auto name = text_at(*helpers, registry.c_str()); !name.empty()) return name;
  return text_at(document, "credsStore");
}

// Runs docker-credential-NAME (the protocol of docker-credential-helpers): an action, a line of input, an
// answer. Nothing when it knows no credentials.
std::optional<std::string> ask_helper(const std::string& name, const std::string& action,
                                      const std::string& input, const CredentialSettings& settings,
                                      const fs::path& file, std::stop_token stop) {
  const auto program = "docker-credential-" + name;
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
      std::string::npos)
    throw Error(ErrorCode::invalid_input, concat(file.string(), " names a credential helper ",
                                                 dash::quoted(name), ", which is no program"));
  std::string answer;
  ProcessOptions options;
  options.argv = {program, action};
  options.environment = settings.helper_environment;
  options.input = input;
  options.on_stdout_bytes = [&](std::string_view bytes) {
    if (answer.size() < kMaxFileSize) answer += bytes;
  };
  ProcessResult result;
  try {
    result = run_process(options, std::move(stop));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::canceled) throw;
    throw Error(ErrorCode::denied, concat(file.string(), " names the credential helper ", program,
                                          ", which cannot be run: ", error.message()))
        .with_hint("install it, or remove it from that file");
  }
  if (result.ok()) return answer;
  if (contains(to_lower(answer), "not found")) return std::nullopt;
  throw Error(ErrorCode::denied, concat("the credential helper ", program, ", which ", file.string(),
                                        " names, failed with exit code ", result.exit_code))
      .with_hint(concat("run 'echo REGISTRY | ", program, " ", action, "' to see why"));
}

std::optional<Credential> from_helper(const std::string& name, const std::string& registry,
                                      const CredentialSettings& settings, const fs::path& file,
                                      std::stop_token stop) {
  const auto answer = ask_helper(name, "get", registry, settings, file, std::move(stop));
  if (!answer) return std::nullopt;
  const auto json = Json::parse(*answer, nullptr, false);
  Credential out;
  out.origin = concat("docker-credential-", name, " (named in ", file.string(), ")");
  out.user = text_at(json, "Username");
  out.password = text_at(json, "Secret");
  if (out.user.empty() && out.password.empty()) return std::nullopt;
  if (out.user == kTokenUser) {
    out.identity_token = std::exchange(out.password, {});
    out.user.clear();
  }
  return out;
}

std::optional<Credential> from_entry(const Json& entry, const std::string& key, const fs::path& file) {
  Credential out;
  out.origin = file.string();
  out.user = text_at(entry, "username");
  out.password = text_at(entry, "password");
  out.identity_token = text_at(entry, "identitytoken");
  out.registry_token = text_at(entry, "registrytoken");
  if (const auto packed = text_at(entry, "auth"); !packed.empty()) {
    auto pair = base64_decode(trim(packed));
    const auto colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos)
      throw Error(ErrorCode::invalid_input, concat(file.string(), ": the entry ", dash::quoted(key),
                                                   " has an 'auth' that is no Base64 of user:password"))
          .with_hint("write it again with 'dash-build login'");
    while (pair->ends_with('\0')) pair->pop_back();
    out.user = pair->substr(0, colon);
    out.password = pair->substr(colon + 1);
  }
  if (out.user.empty() && out.identity_token.empty() && out.registry_token.empty()) return std::nullopt;
  return out;
}

std::optional<Credential> from_auths(const Json& auths, const std::string& registry,
                                     const std::string& repository, const fs::path& file) {
  for (auto name = concat(registry, '/', repository);; name = name.substr(0, name.rfind('/'))) {
    for (const auto& [key, entry] : auths.items())
      if (normal_key(key) == name)
        if (auto found = from_entry(entry, key, file)) return found;
    if (name == registry || name.find('/') == std::string::npos) return std::nullopt;
  }
}

std::optional<Credential> from_file(const fs::path& file, const std::string& registry,
                                    const std::string& repository, const CredentialSettings& settings,
                                    const std::stop_token& stop) {
  const auto document = read_document(file);
  if (const auto helper = helper_for(document, registry); !helper.empty())
    if (auto found = from_helper(helper, registry, settings, file, stop)) return found;
  if (const auto* auths = object_at(document, "auths")) return from_auths(*auths, registry, repository, file);
  return std::nullopt;
}

}  // namespace

std::optional<Credential> Keychain::find(const std::string& registry, const std::string& repository,
                                         std::stop_token stop) {
  const std::scoped_lock lock(mutex_);
  if (const auto given = settings_.given.find(registry); given != settings_.given.end()) return given->second;
  const auto [place, is_new] = found_.try_emplace({registry, repository});
  if (!is_new) return place->second;
  try {
    for (const auto& file : settings_.files) {
      place->second = from_file(file, registry, repository, settings_, stop);
      if (place->second) break;
    }
  } catch (...) {
    found_.erase(place);
    throw;
  }
  return place->second;
}

std::string Keychain::places() const {
  std::vector<std::string> names;
  names.reserve(settings_.files.size());
  for (const auto& file : settings_.files) names.push_back(file.string());
  return join(names, ", ");
}

void store_login(const fs::path& file, const std::string& registry, const Credential& credential,
                 const CredentialSettings& settings, std::stop_token stop) {
  auto document = read_document(file);
  if (const auto helper = helper_for(document, registry); !helper.empty()) {
    const Json input = {
        {"ServerURL", registry}, {"Username", credential.user}, {"Secret", credential.password}};
    if (!ask_helper(helper, "store", input.dump(), settings, file, std::move(stop)))
      throw Error(ErrorCode::denied, concat("docker-credential-", helper, " did not store the password"));
    document["auths"][registry] = Json::object();
  } else {
    document["auths"][registry] = {
        {"auth", base64_encode(concat(credential.user, ':', credential.password))}};
  }
  make_directories(file.parent_path(), 0700);
  write_file_atomic(file, document.dump(2) + '\n', 0600);
}

bool remove_login(const fs::path& file, const std::string& registry, const CredentialSettings& settings,
                  std::stop_token stop) {
  auto document = read_document(file);
  bool removed = false;
  if (const auto helper = helper_for(document, registry); !helper.empty())
    removed = ask_helper(helper, "erase", registry, settings, file, std::move(stop)).has_value();
  if (object_at(document, "auths") == nullptr) return removed;
  auto& auths = document["auths"];
  std::vector<std::string> keys;
  for (const auto& [key, entry] : auths.items())
    if (normal_key(key) == registry) keys.push_back(key);
  for (const auto& key : keys) auths.erase(key);
  if (!keys.empty()) write_file_atomic(file, document.dump(2) + '\n', 0600);
  return removed || !keys.empty();
}

}  // namespace dash::registry
