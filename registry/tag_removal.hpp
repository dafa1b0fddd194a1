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
// deletes nothing at all keeps its tags as they are. That is no single step: who pulls the tag in between
// gets the manifest of its own, and a tag that somebody else moves in between is removed all the same.
//
// Failures as RegistryClient's, and Error(unsupported) for a registry that deletes nothing.
bool remove_tag(RegistryClient& client, const std::string& tag);

// Removes the manifest with all its tags. False when it was not there. Fails as `remove_tag` does.
bool remove_manifest(RegistryClient& client, const oci::Digest& digest);

}  // namespace dash::registry
