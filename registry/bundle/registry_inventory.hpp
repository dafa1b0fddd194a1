// What a registry has.
#pragma once

#include "registry/bundle/bundle_index.hpp"
#include "registry/registry_session.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

// The repositories of a registry, in its order (distribution's API, "Listing Repositories"; not part of the
// OCI specification). Error(unsupported) when the registry does not tell.
std::vector<std::string> list_repositories(RegistrySession& session, const std::string& registry,
                                           const std::stop_token& stop);

// All tagged images of the repositories below "REGISTRY[/PREFIX]", with their blobs; names are without both.
// Not to be called from a task of RegistrySession::transfers().
Inventory read_registry_inventory(RegistrySession& session, const std::string& place,
                                  const std::stop_token& stop);

}  // namespace dash::registry
