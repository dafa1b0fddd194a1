// Docker's image manifests, version 2 schema 2: their media types, and the OCI manifests that say the same.
// Layers and configuration are the same bytes in both (image-spec media-types.md, "Compatibility Matrix").
#pragma once

#include "oci/image_archive.hpp"
#include "oci/manifest.hpp"

#include <string>
#include <string_view>

namespace dash::oci {

// The OCI media type for one of Docker's; others as they are. Error(unsupported) for layers whose content is
// elsewhere ("foreign").
std::string oci_media_type(std::string_view docker);

// The same image with an OCI manifest, whose digest is another; an image that is OCI already as it is. The
// blobs are read from where they are.
OpenedImage as_oci_image(OpenedImage image);

}  // namespace dash::oci
