// Layers wherever they are: in the store's layout, or in a registry, from where they come when they are
// needed.
#pragma once

#include "builder/ports.hpp"
#include "oci/blob_store.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace dash::builder {

// The layout, and on top of it promises: blobs that a registry has. Opening one of those brings it into the
// layout first. So a step that only has to be in the image costs no download, and one that commands run on
// does. Safe to use from several threads. The layout must outlive it.
class LayerStore : public oci::BlobStore {
 public:
  explicit LayerStore(oci::ImageLayout& layout) : layout_(layout) {}

  // `from` has these; `registry` must outlive this object.
  void promise(const std::vector<oci::Descriptor>& layers, const oci::Reference& from,
               ImageRegistry& registry);

  // Where a blob is that is promised and not in the layout.
  std::optional<oci::Reference> place_of(const oci::Digest& digest) const;
  // Brings what is promised into the layout, the rest is left alone.
  void bring(const std::vector<oci::Descriptor>& blobs) const;

  bool contains(const oci::Digest& digest) const override;
  bool claim(const oci::Digest& digest) const override;
  std::unique_ptr<Source> open(const oci::Descriptor& blob) const override;
  std::unique_ptr<oci::BlobWriter> begin_write() override { return layout_.begin_write(); }
  void expect(const std::vector<oci::Descriptor>& blobs) const override { bring(blobs); }

 private:
  oci::ImageLayout& layout_;
  mutable std::mutex mutex_;
  ImageRegistry* registry_ = nullptr;
  std::map<oci::Digest, oci::Reference> places_;
};

}  // namespace dash::builder
