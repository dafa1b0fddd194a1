// `docker-archive` files: what `docker save` writes and `docker load` reads (docker-archive of
// containers-transports(5)): a tar with manifest.json, configurations and layers.
#pragma once

#include "oci/image_archive.hpp"

#include <stop_token>
#include <string>
#include <string_view>

namespace dash::oci {

// Opens an image in place: the form with "<id>/layer.tar" of every Docker since 1.10, also with layers that
// are symbolic links to others, and the form with blobs/sha256 of Docker 25 and newer, also with compressed
// layers. `name` is one of the archive's names, without its first components when that is enough ("app:1" for
// "registry.example/team/app:1"), with tag "latest" when it has none; empty: the only image. The manifest is
// an OCI one made here; the same archive gives the same digest.
// Error(invalid_input) when it is no such archive, Error(not_found) or Error(usage) for the name, with the
// names that are there, Error(corrupt) when parts are missing or contradict each other.
OpenedImage open_docker_archive(const fs::path& file, std::string_view name, const Platform& platform = {});

// Writes an image as an archive that replaces `file` when it is complete: layers as plain tars, because
// docker load takes nothing else everywhere. `name` is the name that the reader gives the image
// ("team/app:1"). The same image and name give the same bytes.
void export_docker_archive(const BlobStore& from, const Descriptor& image, std::string_view name,
                           const fs::path& file, const Platform& platform = {},
                           const std::stop_token& stop = {});

}  // namespace dash::oci
