// Tags that a mirror has and its list does not mean any more.
#pragma once

#include "registry/mirror/image_selection.hpp"

#include <exception>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

// `show`: nothing is written or deleted; reports say what would be.
enum class SyncMode { copy, show };

struct PrunedTag {
  oci::Reference tag;
  std::exception_ptr failure;  // an Error; nothing when it was deleted, or would be
};

// A repository in which nothing was pruned although that was wanted.
struct UnprunedRepository {
  oci::Reference repository;
  std::string reason;
};

struct PruneReport {
  std::vector<PrunedTag> pruned;  // by repository, then tag
  std::vector<UnprunedRepository> unpruned;
};

// Removes the tags of the destination repositories of `selection` that none of its images has there. A
// repository is left alone when one of its images failed (`failures`, with those of `selection`), when an
// entry for it or one of its patterns matched nothing, when something is read from it or should have been,
// and when it cannot be listed: an answer that is wrong or incomplete must not delete anything. Tags that
// stand for what refers to an image stay as long as that image does. A tag also stays when an image of the
// selection comes from it or goes to it in a repository of the same path on another server: two names may be
// one server without our knowing.
//
// Of Errors only `canceled` is thrown. Not to be called from a task of RegistrySession::transfers().
PruneReport prune_destinations(RegistrySession& session, const ImageSelection& selection,
                               const std::vector<SelectionFailure>& failures, SyncMode mode,
                               const std::stop_token& stop);

}  // namespace dash::registry
