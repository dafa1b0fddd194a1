// Who we are to a registry: given on the command line, from Docker's config.json or containers' auth.json,
// from a credential helper, or nobody.
#pragma once

#include "base/path.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace dash::registry {

// Secret apart from `origin`; never printed.
struct Credential {
  std::string user;
  std::string password;
  std::string identity_token;  // an OAuth2 refresh token, in place of user and password
  std::string registry_token;  // a bearer token that is sent as it is
  std::string origin;          // where it comes from, for messages: a file, a helper, an option
  bool operator==(const Credential&) const = default;
};

struct CredentialSettings {
  // By registry ("registry.example:5000"); these win over all files.
  std::map<std::string, Credential> given;
  // config.json and auth.json files in the order in which they are asked. Absent ones are skipped.
  std::vector<fs::path> files;
  // Complete environment of credential helpers; its PATH is where docker-credential-NAME is looked for.
  std::vector<std::string> helper_environment;
};

// Finds credentials and remembers them. Thread-safe.
//
// In a file, credHelpers comes before credsStore before auths, as Docker has it. An entry of auths may name a
// namespace ("registry.example/team"); the longest one that fits wins, as containers-auth.json(5) says.
class Keychain {
 public:
  explicit Keychain(CredentialSettings settings) : settings_(std::move(settings)) {}

  // Nothing when nobody knows one. Throws Error(invalid_input) that names a file which is not what it should
  // be, and Error(denied) that names a helper which fails; their content is never part of a message.
  std::optional<Credential> find(const std::string& registry, const std::string& repository,
                                 std::stop_token stop);
  // The places that are asked, as text for a hint.
  std::string places() const;

 private:
  CredentialSettings settings_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::optional<Credential>> found_;
};

// Writes a user's password into `file` (made with mode 0600 when absent), as `docker login` does; everything
// else in the file stays. Where the file names a credential helper for the registry, that one stores it.
void store_login(const fs::path& file, const std::string& registry, const Credential& credential,
                 const CredentialSettings& settings, std::stop_token stop);
// Removes what `store_login` wrote; false when there was nothing.
bool remove_login(const fs::path& file, const std::string& registry, const CredentialSettings& settings,
                  std::stop_token stop);

}  // namespace dash::registry
