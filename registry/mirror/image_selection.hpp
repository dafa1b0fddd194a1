// From a list to the images that are meant, as their registries have them now.
#pragma once

#include "registry/image_source.hpp"
#include "registry/mirror/mirror_list.hpp"
#include "registry/registry_session.hpp"

#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

// One image, index or artifact to be brought somewhere.
struct SelectedImage {
  // `referrer`: it came with another image (signature, SBOM, attestation …).
  enum class Role { listed, referrer };

  Role role = Role::listed;
  oci::Reference source;  // with tag or digest, as its registry has it; `image` may be a part of it
  oci::Descriptor image;
  // Has the documents and blobs of `image`, those of an index that was made of a part of the source's, too.
  // Uses the session.
  std::shared_ptr<ImageSource> from;
  // What the list says; with a tag, or without for what is there by digest only.
  std::optional<oci::Reference> destination;
  // What it refers to, as its registry lists it.
  std::optional<oci::Digest> subject;
};

// What could not be found out.
struct SelectionFailure {
  oci::Reference source;  // an image, or a repository whose tags could not be listed
  std::optional<oci::Reference> destination;
  std::exception_ptr failure;  // an Error
};

// An entry of the list whose patterns match no tag.
struct UnmatchedEntry {
  oci::Reference source;  // a repository
  std::optional<oci::Reference> destination;
  std::string place;  // MirrorImage::place
};
// "mirror.toml:5:1: no tag of registry.example/team/app matches"
std::string describe(const UnmatchedEntry& entry);

// A pattern that matches no tag in an entry of which others do.
struct UnmatchedPattern {
  oci::Reference source;  // a repository
  std::optional<oci::Reference> destination;
  std::string pattern;
};

struct ImageSelection {
  // In the list's order, then by tag; what refers to an image stands behind it. Nothing stands here twice for
  // one destination.
  std::vector<SelectedImage> images;
  std::vector<SelectionFailure> failures;
  std::vector<UnmatchedEntry> unmatched;
  std::vector<UnmatchedPattern> unmatched_patterns;
};

// Costs one HEAD for each tag, a list of tags for each repository where patterns or referrers need one, and
// what the entry asks for: with `platforms` a GET instead of the HEAD, with `referrers` a list for each image
// and the content of indexes.
//
// Several platforms of an index become an index of these images, with their attestations, that is otherwise
// the source's; all of them: the source's index itself; one: that image itself. What is no index has no
// platforms to choose from and is taken as it is. What refers to an index of which only a part is taken is
// left.
//
// Failures of single images are part of the result; of Errors only `canceled` is thrown. Not to be called
// from a task of RegistrySession::transfers(). The session must outlive the result.
ImageSelection select_images(RegistrySession& session, const MirrorList& list, const std::stop_token& stop);

}  // namespace dash::registry
