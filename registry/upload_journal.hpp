// Uploads that are underway, on disk, so that a later run continues them (docs/formats/uploads.md).
#pragma once

#include "base/file.hpp"
#include "oci/digest.hpp"
#include "registry/url.hpp"

#include <optional>
#include <string>

namespace dash::registry {

// One upload's place in the journal, held by one process at a time. An empty journal directory, one that
// cannot be written, or another process that uploads the same blob to the same place, makes it remember
// nothing.
class UploadNote {
 public:
  // Opens the note for a blob on its way to "registry/repository".
  UploadNote(const fs::path& directory, const std::string& target, const oci::Digest& digest);
  ~UploadNote();
  UploadNote(const UploadNote&) = delete;
  UploadNote& operator=(const UploadNote&) = delete;

  // The session that an earlier run began; nothing when there is none, or the file is damaged.
  std::optional<Url> location() const { return location_; }
  // Replaces it: atomic, and on disk when it returns.
  void store(const Url& location);
  // The upload is complete, or its session gone.
  void forget();

 private:
  fs::path file_;  // empty: nothing is kept
  std::string target_;
  oci::Digest digest_;
  std::optional<FileLock> lock_;
  std::optional<Url> location_;
};

}  // namespace dash::registry
