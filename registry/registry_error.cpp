#include "registry/registry_error.hpp"

#include "base/text.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace dash::registry {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxMessage = 300;
constexpr std::size_t kMaxCodes = 8;

// Foreign text made fit for one line of a message.
std::string tame(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxMessage))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  return std::string(trim(out));
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? tame(found->get<std::string>()) : std::string();
}

ErrorCode code_of(int status) {
  if (status == 401 || status == 403 || status == 407) return ErrorCode::denied;
  if (status == 404 || status == 410) return ErrorCode::not_found;
  if (status == 405) return ErrorCode::unsupported;
  if (status == 408 || status == 425 || status == 429 || status < 400 || status >= 500)
    return ErrorCode::unavailable;
  return ErrorCode::invalid_input;
}

std::string describe(const std::string& method, const std::string& url, int status,
                     const std::vector<RegistryErrorCode>& codes) {
  auto out = concat(method, ' ', url, ": ", status);
  const char* separator = " ";
  for (const auto& [code, message, detail] : codes) {
    out += concat(separator, code);
    if (!message.empty()) out += concat(": ", message);
    separator = "; ";
  }
  return out;
}

}  // namespace

std::vector<RegistryErrorCode> parse_registry_errors(std::string_view body) {
  std::vector<RegistryErrorCode> out;
  const auto json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return out;
  const auto errors = json.find("errors");
  if (errors == json.end() || !errors->is_array()) return out;
  for (const auto& entry : *errors) {
    if (!entry.is_object() || out.size() == kMaxCodes) continue;
    out.push_back({text_at(entry, "code"), text_at(entry, "message"), text_at(entry, "detail")});
  }
  return out;
}

RegistryError::RegistryError(std::string method, std::string_view url, int status,
                             std::vector<RegistryErrorCode> codes)
    : Error(code_of(status), describe(method, redact_url(url), status, codes)),
      method_(std::move(method)),
      url_(redact_url(url)),
      status_(status),
      codes_(std::move(codes)) {}

bool RegistryError::has_code(std::string_view code) const {
  return std::ranges::any_of(codes_, [&](const auto& entry) { return entry.code == code; });
}

}  // namespace dash::registry
