#include "registry/registry_session.hpp"

#include <algorithm>

namespace dash::registry {

namespace {

// A copy within one host has a download and an upload open for each blob. With fewer connections each
// download could wait for an upload that waits for a connection.
RegistrySettings consistent(RegistrySettings settings) {
  settings.parallel = std::max(1U, settings.parallel);
  settings.http.connections_per_host =
      std::max(settings.http.connections_per_host, 2 * settings.parallel + 2);
  return settings;
}

}  // namespace

RegistrySession::RegistrySession(RegistrySettings settings)
    : settings_(consistent(std::move(settings))),
      hosts_(settings_.hosts),
      http_(settings_.http),
      keychain_(settings_.credentials),
      authenticator_(http_, keychain_, settings_.retry),
      rate_limits_(settings_.retry),
      transfers_(settings_.parallel) {}

bool RegistrySession::speaks_plain_http(const std::string& authority) const {
  const std::scoped_lock lock(mutex_);
  return plain_http_.contains(authority);
}

void RegistrySession::note_plain_http(const std::string& authority) {
  const std::scoped_lock lock(mutex_);
  plain_http_.insert(authority);
}

void RegistrySession::at_first_contact(const std::string& authority, const std::function<void()>& find_out) {
  std::once_flag* contact = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    contact = &contacts_[authority];
  }
  std::call_once(*contact, find_out);
}

}  // namespace dash::registry
