// Reading single files of an image without unpacking it.
#pragma once

#include "oci/blob_store.hpp"
#include "oci/descriptor.hpp"

#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::builder {

// Contents of regular files as the stacked layers (lowest first) show them: the topmost layer that has, hides
// or removes a path decides. Paths are without "/" in front. A path that is absent or no regular file is
// absent from the result. Error(corrupt) for a file over 1 MiB.
std::map<std::string, std::string> read_layer_files(const oci::BlobStore& blobs,
                                                    const std::vector<oci::Layer>& layers,
                                                    const std::set<std::string>& paths, std::stop_token stop);

}  // namespace dash::builder
