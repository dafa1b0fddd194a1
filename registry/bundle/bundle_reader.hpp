// A bundle on disk.
#pragma once

#include "base/event.hpp"
#include "base/thread_pool.hpp"
#include "registry/blob_source.hpp"
#include "registry/bundle/bundle_plan.hpp"
#include "registry/bundle/part_files.hpp"
#include "registry/image_source.hpp"

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace dash::registry {

// Thread-safe.
class BundleReader {
 public:
  // Error(not_found) when file or parts are missing, Error(invalid_input) when it is no bundle,
  // Error(corrupt) when it is damaged or incomplete: the first part missing at the end is named.
  explicit BundleReader(const fs::path& file);

  const BundleIndex& index() const { return index_; }
  std::string name() const { return files_.file().string(); }
  bool has(const oci::Digest& digest) const { return plan_.find(digest) != nullptr; }
  // Verified; the reader must outlive it. Error(not_found) for what the bundle leaves out.
  std::unique_ptr<BlobSource> open(const oci::Descriptor& blob) const;

  // Reads everything; one line per fault, in the order of the archive. The pool's threads work on blobs side
  // by side.
  std::vector<std::string> verify(ThreadPool& pool, EventSink& events, const std::stop_token& stop) const;

 private:
  void check_blob(const PlannedBlob& planned, const std::stop_token& stop) const;

  PartFilesReader files_;
  BundleIndex index_;
  BundlePlan plan_;
};

// A bundle's images.
class BundleSource : public ImageSource {
 public:
  explicit BundleSource(const BundleReader& reader) : reader_(reader) {}
  std::string document(const oci::Descriptor& descriptor) override;
  std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) override;

 private:
  const BundleReader& reader_;
};

// Reads a bundle's files one after the other.
class PartFilesSource : public Source {
 public:
  explicit PartFilesSource(const PartFilesReader& files, std::uint64_t offset = 0,
                           std::uint64_t end = UINT64_MAX)
      : files_(files), at_(offset), end_(end) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  const PartFilesReader& files_;
  std::uint64_t at_;
  std::uint64_t end_;
};

}  // namespace dash::registry
