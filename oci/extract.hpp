// Applying layers to a directory, safely: whatever a layer holds, nothing outside the directory is touched.
#pragma once

#include "base/path.hpp"
#include "base/stream.hpp"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace dash::oci {

struct ExtractOptions {
  // What whiteouts become: `apply` removes the path from the directory (layers stacked into one tree);
  // `overlay` makes what overlayfs understands in a lower directory (0/0 devices, trusted.overlay.opaque);
  // commands will run on it, so a device of the layer becomes an empty file: runtimes mount their root
  // without nodev, and it would reach the host's.
  enum class Whiteouts { apply, overlay } whiteouts = Whiteouts::apply;
  // Limits against decompression bombs; more is Error(corrupt). What follows the end of the archive has a
  // smaller one.
  std::uint64_t max_bytes = std::uint64_t{256} << 30;
  std::uint64_t max_entries = 20'000'000;
};

// Unpacks one layer (tar; gzip, zstd or plain) into `directory`, which must exist. Paths are resolved below
// the directory's descriptor (openat2 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): "..", absolute names and
// symbolic links in the layer or in the tree cannot leave it. Owners, modes, times, xattrs, devices and hard
// links are restored. Duplicate entries: the last one wins. Errors name the layer (`name`) and the entry.
void extract_layer(Source& layer, const fs::path& directory, const std::string& name,
                   const ExtractOptions& options = {}, std::stop_token stop = {});

}  // namespace dash::oci
