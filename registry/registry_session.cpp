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

RegistrySession::Protocol RegistrySession::protocol_of(const std::string& authority) const {
  const std::scoped_lock lock(mutex_);
  const auto found = protocols_.find(authority);
  return found == protocols_.end() ? Protocol::unknown : found->second;
}

void RegistrySession::note_protocol(const std::string& authority, Protocol protocol) {
  const std::scoped_lock lock(mutex_);
  protocols_.insert_or_assign(authority, protocol);
}

}  // namespace dash::registry
