// Writing bundles: images of registries and stores into one archive that can be carried.
#pragma once

#include "base/event.hpp"
#include "registry/bundle/bundle_plan.hpp"
#include "registry/image_source.hpp"
#include "registry/registry_session.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

namespace dash::registry {

struct BundleItem {
  std::string name;  // BundledImage::name
  oci::Descriptor image;
  std::shared_ptr<ImageSource> from;
};

struct ExportReport {
  std::vector<fs::path> files;  // empty for a stream
  std::uint64_t size = 0;       // of the archive
  std::size_t images = 0;
  std::size_t unchanged = 0;  // images that `since` has
  std::size_t blobs = 0;      // in the archive, without manifests
  std::size_t left_out = 0;   // blobs that `since` has
  std::uint64_t resumed = 0;  // bytes of blobs that an interrupted run had written
};

// A bundle that is about to be written. Not thread-safe. Its writing must not run on a task of
// RegistrySession::transfers(). The session must outlive it.
class BundleExport {
 public:
  // Reads all manifests, and keeps up to 16 MiB of them; more are read again when they are written. What
  // `since` has is left out: images that are the same under the same name, and blobs wherever they are. An
  // empty `items` is Error(usage), as are two images of one name.
  BundleExport(RegistrySession& session, const std::vector<BundleItem>& items,
               const std::optional<Inventory>& since, EventSink& events, std::stop_token stop);

  const BundleIndex& index() const { return index_; }
  std::uint64_t size() const { return plan_->size(); }

  // Into a file, or with a `part_size` into parts (part_files.hpp): blobs side by side. An interrupted run is
  // continued, whole blobs that it wrote are kept; file and parts appear when they are complete.
  ExportReport write(const fs::path& file, std::uint64_t part_size);
  // In order, for pipes.
  ExportReport stream(Sink& out);

 private:
  class Planner;
  void write_blob(class PartFilesWriter& files, const PlannedBlob& planned, std::uint64_t& resumed);
  std::unique_ptr<BlobSource> open(const oci::Descriptor& blob) const;
  ExportReport report() const;

  RegistrySession& session_;
  EventSink& events_;
  std::stop_token stop_;
  BundleIndex index_;
  std::unordered_map<oci::Digest, std::string> documents_;  // those that are kept
  std::unordered_map<oci::Digest, std::shared_ptr<ImageSource>> sources_;
  std::optional<BundlePlan> plan_;
};

}  // namespace dash::registry
