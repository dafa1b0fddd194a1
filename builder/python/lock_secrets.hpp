// Locks without secrets: what is kept, shown and exported says neither passwords nor values of variables.
#pragma once

#include "builder/app/requirements.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/uv_settings.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dash::builder {

class LockSecrets {
 public:
  // `variables` are the host's; only those that the requirements name count.
  LockSecrets(const RequirementsFiles& requirements, const UvSettings& settings,
              const std::map<std::string, std::string>& variables);

  // A lock's text with user names and passwords of URLs left out, and with "${NAME}" in URLs for the value of
  // a variable. What has no secrets stays as it is.
  std::string hide(std::string_view text) const;

  // Makes the URLs usable: variables are put in again, and the credentials that requirements or index
  // settings have for the same server (of several those with the longest common path).
  void reveal(Lock& lock) const;

 private:
  struct Login {
    std::string url;   // "https://host/path", without credentials
    std::string user;  // "name:password"
  };

  void add_logins(std::string_view text);
  std::string with_names(std::string_view url) const;
  std::string expanded(std::string_view text) const;
  void reveal(std::string& url) const;

  std::vector<std::pair<std::string, std::string>> variables_;  // name and value, longest value first
  std::vector<Login> logins_;
};

}  // namespace dash::builder
