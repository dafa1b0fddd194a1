// What a registry answers when it does not do what it was asked (distribution-spec "Error Codes").
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

struct RegistryErrorCode {
  std::string code;         // "MANIFEST_UNKNOWN"
  std::string message;      // what the registry says about it, shortened, on one line
  std::string detail = {};  // what it is about, often a digest; empty when it is no text
  bool operator==(const RegistryErrorCode&) const = default;
};

// What to do about an answer that no registry gives.
inline constexpr const char* kNoRegistryHint =
    "this may be no registry, or a proxy or a page for logging in answers in its place";

// The list in an answer's body; empty when the body is something else.
std::vector<RegistryErrorCode> parse_registry_errors(std::string_view body);

// An answer with an unexpected status. The message is "METHOD URL: STATUS CODE: message". Error codes: denied
// (401, 403, 407), not_found (404, 410), unsupported (405), invalid_input (other 4xx), unavailable (408, 429,
// 5xx and the rest).
class RegistryError : public Error {
 public:
  RegistryError(std::string method, std::string_view url, int status, std::vector<RegistryErrorCode> codes);

  const std::string& method() const { return method_; }
  const std::string& url() const { return url_; }  // without user, password and query
  int status() const { return status_; }
  const std::vector<RegistryErrorCode>& codes() const { return codes_; }
  bool has_code(std::string_view code) const;

 private:
  std::string method_;
  std::string url_;
  int status_;
  std::vector<RegistryErrorCode> codes_;
};

}  // namespace dash::registry
