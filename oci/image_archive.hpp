// `oci-archive` files: an image layout as one tar (containers-transports(5), image-spec image-layout.md), and
// images in foreign layout directories.
#pragma once

#include "base/path.hpp"
#include "oci/image_copy.hpp"
#include "oci/image_layout.hpp"
#include "oci/image_location.hpp"

#include <memory>
#include <stop_token>
#include <string_view>

namespace dash::oci {

// All of these name images by the tags of `pick_image`, verify every blob, return the manifest's descriptor
// as it is in the destination, and leave it to the caller to name it there and to keep garbage collection
// away from it until then (ImageLayout::lease).

// An image where it is, for reading.
struct OpenedImage {
  std::unique_ptr<BlobStore> store;
  Descriptor manifest;
};

// Opens an image in a layout directory or an archive (also Docker's, docker_archive.hpp). An archive is read
// in place, nothing is unpacked beside it; a compressed one works too, but is decompressed anew for every
// blob. An image with Docker's media types gets an OCI manifest (docker_schema.hpp).
OpenedImage open_image(const ImageLocation& location, const Platform& platform = {});

// Opens what a tag names as it is: an index with all its images, an artifact, Docker's media types. Entries
// of one tag that differ only in their platform are no index; of those the one for `platform` is taken.
OpenedImage open_content(const ImageLocation& location, const Platform& platform = {});

// Copies an image out of an archive.
Descriptor import_archive(const fs::path& file, std::string_view tag, BlobStore& to,
                          const Platform& platform = {}, const std::stop_token& stop = {});

// Copies an image out of another layout directory.
Descriptor import_layout(const fs::path& directory, std::string_view tag, BlobStore& to,
                         const Platform& platform = {}, const std::stop_token& stop = {});

// Writes an image as an uncompressed archive that replaces `file` when it is complete. The same image and tag
// give the same bytes. An empty tag leaves the image without one.
void export_archive(const BlobStore& from, const Descriptor& image, std::string_view tag,
                    const fs::path& file, const Platform& platform = {}, const std::stop_token& stop = {});

// Copies an image into a layout directory, which is made when absent, and names it there ("" names nothing,
// and then the image takes the place of another unnamed one).
void export_layout(const BlobStore& from, const Descriptor& image, std::string_view tag,
                   const fs::path& directory, const Platform& platform = {},
                   const std::stop_token& stop = {});

}  // namespace dash::oci
