// A directory tree as layer entries: sorted, normalised, each file read once.
#pragma once

#include "base/path.hpp"
#include "oci/layer_writer.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

namespace dash::oci {

struct TreeOptions {
  std::string prefix;  // path in the image that the directory's content goes to; "" is the root
  // Owner of every entry; unset: the files' own ids.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> owner;
  // Called with each path relative to the directory, and its type; false leaves it (and everything in it)
  // out.
  std::function<bool(const std::string& path, EntryType type)> keep;
  // How permission bits are taken: `as_is` keeps them (a faithful copy); `source` gives 0755 or 0644 by the
  // owner's execute bit and 0755 for directories, so that the umask of a checkout does not matter (the rule
  // of git and pip).
  enum class Modes { as_is, source } modes = Modes::as_is;
  // Hard links among the files: the first in path order holds the data, the others link to it. `copy` writes
  // each.
  enum class HardLinks { keep, copy } hard_links = HardLinks::keep;
  // What an overlayfs upper directory says about the layers below is translated: 0/0 character devices become
  // whiteouts, trusted.overlay.opaque (and user.overlay.opaque) markers; other overlay attributes are
  // dropped.
  enum class Kind { plain, overlay_upper } kind = Kind::plain;
};

struct TreeStats {
  std::uint64_t entries = 0;  // whiteouts and opaque markers too; without the prefix's parents
  std::uint64_t content_bytes = 0;
};

// Writes the content of `directory` to `writer`, and before it an entry for the directory itself at its
// prefix (none for the root) and for the prefix's parents (LayerWriter::add_parents). Each file is read once,
// in the order of the layer; only the names of the directories on the way and of files with several links are
// held in memory. Nothing is followed or trusted by name: every open is relative to its directory and refuses
// symbolic links. A file that changes while it is read is Error(invalid_input), one that cannot be read
// another Error; both name it. Sockets are left out. Extended attributes `security.capability` and `user.*`
// of files and directories are kept. Overlay directories whose content is elsewhere (redirect_dir, metacopy)
// are Error(unsupported).
TreeStats add_tree(LayerWriter& writer, const fs::path& directory, const TreeOptions& options,
                   std::stop_token stop = {});

}  // namespace dash::oci
