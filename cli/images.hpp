// Finding images that arguments name.
#pragma once

#include "base/file.hpp"
#include "builder/host.hpp"
#include "builder/store.hpp"
#include "cli/options.hpp"
#include "oci/image_layout.hpp"

#include <memory>
#include <string>

namespace dash::cli {

// Error(not_found) when there is no store at `home`.
void require_store(const fs::path& home);

// The store of the options. Only a build makes one: for others a home without one is a misspelt one.
builder::Store open_store(const CommonOptions& common);

struct FoundImage {
  std::unique_ptr<oci::BlobStore> store;  // that holds it
  oci::StoredImage image;
};

// The image behind "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]" or a name in the store at `home` (empty: the
// default place). Error(not_found) lists the names there are.
FoundImage find_image(const std::string& text, const fs::path& home, const builder::HostSettings& host);

// An image, index or artifact on this machine.
struct LocalImage {
  std::unique_ptr<oci::BlobStore> store;
  oci::Descriptor image{{}, oci::Digest(Sha256{}), 0, {}, std::nullopt};
};

// The same places, and the same errors, byte by byte as it is there; also "docker-archive:FILE[:NAME]".
LocalImage open_local(const std::string& text, const fs::path& home, const builder::HostSettings& host);

oci::Platform host_platform(const builder::HostSettings& host);

// "OS/ARCH[/VARIANT]". Throws Error(usage).
oci::Platform parse_platform(const std::string& text);

}  // namespace dash::cli
