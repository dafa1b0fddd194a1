// Which images are mirrored and where to: the file of `dash-build mirror` as values (docs/formats/mirror.md).
#pragma once

#include "base/path.hpp"
#include "oci/descriptor.hpp"
#include "oci/reference.hpp"
#include "registry/mirror/tag_filter.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

// Where an image goes: "mirror.example:5000/prefix/{repository}:{tag}-x", with {registry}, {repository},
// {name} (the repository's last part) and {tag} of the source.
class Destination {
 public:
  // Throws Error(invalid_input) that quotes the text.
  static Destination parse(std::string_view text);

  // `source`'s repository there, without a tag. Error(invalid_input) when that is no name.
  oci::Reference repository_for(const oci::Reference& source) const;
  // The image itself: with its own tag unless the template says another; without a tag when it has none.
  oci::Reference image_for(const oci::Reference& source) const;

 private:
  std::string name_;
  std::string tag_;  // empty: the source's
};

// Some images of one repository.
struct MirrorImage {
  enum class Referrers { leave, take };

  oci::Reference source;  // with a tag or digest: exactly this image; else those that `tags` matches
  TagFilter tags;
  std::vector<oci::Platform> platforms;  // what is taken of an index; empty: everything
  Referrers referrers = Referrers::leave;
  std::optional<Destination> destination;
  std::string place;  // "FILE:LINE:COLUMN" for messages; may be empty
};

struct MirrorList {
  enum class Prune { no, yes };

  std::vector<MirrorImage> images;  // in the file's order
  Prune prune = Prune::no;

  // Throws Error(invalid_input) that names file, line and column. `name` stands for the file in messages.
  static MirrorList parse(std::string_view text, const std::string& name);
  static MirrorList read(const fs::path& file);
};

}  // namespace dash::registry
