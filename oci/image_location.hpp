// Where an image is, as a person writes it: "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]",
// "docker-archive:FILE[:NAME[:TAG]]", or a bare name in the store.
#pragma once

#include "base/path.hpp"

#include <string>
#include <string_view>

namespace dash::oci {

struct ImageLocation {
  enum class Kind { name, layout, archive, docker_archive } kind = Kind::name;
  fs::path path;     // layout directory or archive file
  std::string tag;   // of a layout or an archive, of a Docker archive name and tag; empty when not given
  std::string name;  // Kind::name: the text itself, unchecked

  // Throws Error(usage) for a transport that is not supported or a missing path. As with skopeo, the path
  // ends at the first ':', and what follows is the tag.
  static ImageLocation parse(std::string_view text);
  std::string to_string() const;
};

}  // namespace dash::oci
