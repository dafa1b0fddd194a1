// Brings the destinations of a list up to date with its sources.
#pragma once

#include "base/event.hpp"
#include "registry/mirror/image_selection.hpp"
#include "registry/mirror/mirror_prune.hpp"
#include "registry/pusher.hpp"

#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

struct SyncOptions {
  SyncMode mode = SyncMode::copy;
  PushOptions::OnFailure on_failure = PushOptions::OnFailure::go_on;
};

struct SyncedImage {
  enum class Outcome {
    present,  // the destination had it
    copied,   // or would be, with SyncMode::show
    failed
  };
  Outcome outcome = Outcome::failed;
  SelectedImage::Role role = SelectedImage::Role::listed;
  oci::Reference source;                      // a repository when its tags could not be listed
  std::optional<oci::Reference> destination;  // nothing, or a repository, when it failed before it was known
  std::optional<oci::Digest> digest;          // nothing when it failed before it was known
  std::optional<oci::Digest> replaced;        // what the destination had instead
  PushReport transfer;                        // of blobs; of a failed image what was done before
  std::exception_ptr failure;                 // an Error; only when it failed
};

struct SyncReport {
  std::vector<SyncedImage> images;  // in the list's order; those that could not be found out are last
  std::vector<UnmatchedEntry> unmatched;
  std::vector<PrunedTag> pruned;
  std::vector<UnprunedRepository> unpruned;

  bool failed() const;
};

// With nothing to do this costs what select_images does, one HEAD per image at its destination, and with
// MirrorList::Prune::yes one list of tags per destination repository. Where there are referrers, their
// repository's destination is asked once for the API, and without it for the list of each subject.
//
// Error(invalid_input) for an image without destination, before anything is asked; with OnFailure::stop the
// first failure; Error(canceled). Other failures are in the report. Not to be called from a task of
// RegistrySession::transfers().
SyncReport sync_mirror(RegistrySession& session, const MirrorList& list, EventSink& events,
                       const std::stop_token& stop, const SyncOptions& options = {});

}  // namespace dash::registry
