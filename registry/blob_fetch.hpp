// One blob of a registry into a file, resumable.
#pragma once

#include "base/path.hpp"
#include "oci/descriptor.hpp"
#include "registry/blob_progress.hpp"
#include "registry/registry_client.hpp"

#include <cstdint>

namespace dash::registry {

struct FetchedBlob {
  std::uint64_t received = 0;
  std::uint64_t resumed = 0;  // bytes that an earlier run had received
};

// Continues `<destination>.part` of an interrupted run. The destination appears only when it is complete and
// its digest right: Error(corrupt) otherwise, no_space when the disk is full, else as RegistryClient's.
FetchedBlob fetch_blob(RegistryClient& from, const oci::Descriptor& blob, const fs::path& destination,
                       BlobProgress& progress);

}  // namespace dash::registry
