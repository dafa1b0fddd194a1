// Uploading one blob (distribution-spec "Pushing blobs"): in one request when it is small, in chunks
// otherwise, continued where it broke, in this run or a later one.
#pragma once

#include "registry/blob_source.hpp"
#include "registry/registry_client.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace dash::registry {

struct UploadOptions {
  // A session that the registry began already (RegistryClient::mount_blob).
  std::optional<Url> location;
  // Called from the uploading thread with the bytes that the registry has, or that are on their way to it.
  std::function<void(std::uint64_t done)> progress;
};

struct UploadResult {
  std::uint64_t sent = 0;     // bytes that left this process, including those that were lost
  std::uint64_t resumed = 0;  // bytes that an earlier run had sent already
};

// Sends the blob and returns when the registry has it under its digest. Sessions are kept in
// RegistrySettings::state_directory while they last. The source must be at its start.
//
// A registry that loses a session (distribution does, when a connection breaks in the middle of a chunk) gets
// the blob again from the start. One that takes no chunks gets it in one piece. When the answer to the last
// request is lost, the registry is asked whether it has the blob. Failures as RegistryClient's.
UploadResult upload_blob(RegistryClient& client, const oci::Descriptor& blob, BlobSource& source,
                         const UploadOptions& options);

}  // namespace dash::registry
