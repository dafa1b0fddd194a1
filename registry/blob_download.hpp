// A blob's bytes, over as many connections as it takes.
#pragma once

#include "oci/descriptor.hpp"
#include "registry/redirects.hpp"
#include "registry/retry.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

namespace dash::registry {

// Asks for the blob from `offset` on; the answer has status 200 (with all of it) or 206.
using OpenBlob = std::function<Reply(std::uint64_t offset)>;

// The bytes from `offset` on, checked by size only. Where a connection breaks it goes on with another one, as
// often as `policy` (which must outlive it) allows without progress. Connects at once; failures as `open`'s,
// Error(corrupt) for more or fewer bytes than the blob has.
std::unique_ptr<Source> download_blob(OpenBlob open, const oci::Descriptor& blob, std::uint64_t offset,
                                      const RetryPolicy& policy, std::stop_token stop);

}  // namespace dash::registry
