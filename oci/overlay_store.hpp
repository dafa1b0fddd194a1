// A store to read from, with documents of its own on top of another store.
#pragma once

#include "oci/blob_store.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace dash::oci {

// For images whose manifest is made here while their blobs are read from where they are.
class OverlayStore : public BlobStore {
 public:
  explicit OverlayStore(std::unique_ptr<BlobStore> below) : below_(std::move(below)) {}
  // Not while others read.
  Descriptor add(std::string bytes, std::string_view media_type);

  bool contains(const Digest& digest) const override;
  std::unique_ptr<Source> open(const Descriptor& blob) const override;
  // Error(internal): it is only read.
  std::unique_ptr<BlobWriter> begin_write() override;

 private:
  std::unique_ptr<BlobStore> below_;
  std::map<Digest, std::string> documents_;
};

}  // namespace dash::oci
