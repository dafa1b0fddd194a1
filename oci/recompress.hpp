// The same layer in another compression.
#pragma once

#include "oci/layer_writer.hpp"

#include <stop_token>

namespace dash::oci {

// Decompresses a layer's blob and compresses it as `settings` say, in one pass; the tar, and so the diff id,
// stays what it is, which is checked (Error(corrupt) otherwise). `settings.mtime` does not matter.
Layer recompress_layer(const LayerSettings& settings, const Layer& layer, const std::stop_token& stop = {});

}  // namespace dash::oci
