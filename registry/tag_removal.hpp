// Removing a tag and nothing else, also where the registry cannot.
#pragma once

#include "registry/registry_client.hpp"

#include <string>

namespace dash::registry {

// Removes the tag; other tags of the same manifest stay, and so does the manifest. False when it was not
// there.
//
// Not every registry takes DELETE for a tag (distribution before 3.0 does not). There the tag is pointed to a
// manifest of its own, which is deleted by its digest - after a try without the tag, so that a registry that
// deletes nothing at all is left as it is. Failures as RegistryClient's.
bool remove_tag(RegistryClient& client, const std::string& tag);

}  // namespace dash::registry
