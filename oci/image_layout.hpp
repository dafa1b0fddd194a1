// An OCI image layout directory (image-spec image-layout.md) as a content store with named images.
//
// Writers work in temporary files inside the layout and rename them into place after fsync, so a crash leaves
// a layout that is valid, at worst with temporary files that the next `collect_garbage` removes. index.json
// changes under an exclusive lock; blobs need none. Several processes may use one layout at once.
#pragma once

#include "base/file.hpp"
#include "oci/blob_store.hpp"
#include "oci/lease.hpp"
#include "oci/manifest.hpp"
#include "oci/stored_image.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dash::oci {

class ImageLayout : public BlobStore {
 public:
  // Opens an existing layout; Error(not_found) when there is none, Error(corrupt) when it is no layout.
  static ImageLayout open(const fs::path& directory);
  // Opens it, or makes an empty one.
  static ImageLayout open_or_create(const fs::path& directory);

  const fs::path& directory() const { return directory_; }

  bool contains(const Digest& digest) const override;
  bool claim(const Digest& digest) const override;
  std::unique_ptr<Source> open(const Descriptor& blob) const override;
  std::unique_ptr<BlobWriter> begin_write() override;
  fs::path blob_path(const Digest& digest) const;

  // index.json as it is now.
  Index index() const;
  // Lets `change` edit the index and writes it when that changed it, under the lock; concurrent updates are
  // never lost.
  void update_index(const std::function<void(Index&)>& change);

  // The entry of a name (annotation org.opencontainers.image.ref.name), or nothing.
  std::optional<Descriptor> find(std::string_view name) const;
  // Points `name` at a manifest that is in the layout. Other names keep theirs.
  void tag(std::string_view name, const Descriptor& manifest);
  // Removes a name; false when there was none. Blobs stay until the next garbage collection.
  bool untag(std::string_view name);

  // Reads the image behind a manifest descriptor; an index is resolved to the entry for `platform`.
  StoredImage load(const Descriptor& manifest, const Platform& platform = {}) const;
  // Stores configuration and manifest; the layers' blobs must be there.
  Descriptor store_image(const ImageConfig& config, const std::vector<Layer>& layers,
                         const Annotations& annotations = {});

  // Removes blobs that are reachable neither from the index nor from `extra_roots`, and temporary files that
  // no living process holds, interrupted downloads ("<digest>.part") among them. Waits for no one: writers
  // hold a shared lease (see `lease`), and while anyone else holds one nothing is removed and nothing is
  // returned.
  struct Collected {
    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;
  };
  std::optional<Collected> collect_garbage(const std::set<Digest>& extra_roots);
  // Keeps garbage collection away while the returned lease lives: blobs written meanwhile may be
  // unreferenced.
  Lease lease() const;

  // Digests of what the index reaches, present or not: everything, or without the layers.
  enum class Reach { everything, documents };
  std::set<Digest> reachable(Reach reach = Reach::everything) const;

  // Checks oci-layout, index.json, every manifest and every blob that is reachable, by size and digest.
  // A layer that is not to be distributed may be absent. Returns one line per fault; empty means valid.
  std::vector<std::string> validate() const;

 private:
  explicit ImageLayout(fs::path directory) : directory_(std::move(directory)) {}
  fs::path directory_;
};

}  // namespace dash::oci
