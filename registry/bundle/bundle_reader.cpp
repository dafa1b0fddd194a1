#include "registry/bundle/bundle_reader.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "oci/tar_writer.hpp"
#include "registry/blob_progress.hpp"

#include <algorithm>
#include <set>

namespace dash::registry {

namespace {

BundleIndex read_index(const PartFilesReader& files) {
  PartFilesSource source(files);
  return read_bundle_front(source, files.file().string());
}

}  // namespace

std::string BundleSource::document(const oci::Descriptor& descriptor) {
  const auto source = reader_.open(descriptor);
  return read_all(*source, oci::kMaxDocumentSize, descriptor.digest.to_string());
}

std::unique_ptr<BlobSource> BundleSource::blob(const oci::Descriptor& descriptor) {
  return reader_.open(descriptor);
}

std::size_t PartFilesSource::read(MutableBytes buffer) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end_ - at_));
  const auto count = files_.read(at_, buffer.first(wanted));
  at_ += count;
  return count;
}

BundleReader::BundleReader(const fs::path& file) : files_(file), index_(read_index(files_)), plan_(index_) {
  if (files_.size() == plan_.size()) return;
  if (files_.size() > plan_.size())
    throw Error(ErrorCode::corrupt,
                concat(name(), " has ", files_.size() - plan_.size(), " bytes more than the bundle"))
        .with_hint("look for parts of another bundle beside it");
  const auto missing = files_.name_at(files_.size());
  if (missing != files_.file() && !fs::exists(missing))
    throw Error(ErrorCode::not_found,
                concat("part ", missing.string(), " is missing: ", human_size(files_.size()), " of ",
                       human_size(plan_.size()), " are there"))
        .with_hint("put all parts into one directory");
  throw Error(ErrorCode::corrupt, concat(missing.string(), " is cut off: ", files_.size(), " of ",
                                         plan_.size(), " bytes are there"))
      .with_hint(files_.file().extension() == ".001" ? "name the bundle without the number of its part"
                                                     : "copy it again");
}

std::unique_ptr<BlobSource> BundleReader::open(const oci::Descriptor& blob) const {
  const auto* planned = plan_.find(blob.digest);
  if (planned == nullptr)
    throw Error(ErrorCode::not_found, concat(blob.digest.to_string(), " is not in ", name()));
  return open_verified(
      [this, planned](std::uint64_t offset) {
        return std::make_unique<PartFilesSource>(files_, planned->content() + offset,
                                                 planned->content() + planned->blob.size);
      },
      blob, concat(blob.digest.to_string(), " in ", files_.name_at(planned->content()).string()));
}

std::vector<std::string> BundleReader::verify(ThreadPool& pool, EventSink& events,
                                              const std::stop_token& stop) const {
  const auto& blobs = plan_.blobs();
  std::vector<std::string> faults(blobs.size());
  TaskGroup(stop).for_each(pool, blobs.size(), [&](std::size_t i) {
    try {
      check_blob(blobs[i], stop);
      BlobProgress(events, "verify", blobs[i].blob).finish();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::canceled) throw;
      faults[i] = error.message();
    }
  });
  std::erase(faults, std::string());
  if (!faults.empty()) return faults;

  std::set<oci::Digest> known;
  for (const auto& entry : index_.inventory().blobs) known.insert(entry.blob.digest);
  BundleSource source(*this);
  for (const auto& image : index_.images)
    for (const auto& blob : read_contents(source, image.image).blobs)
      if (!known.contains(blob.digest))
        faults.push_back(concat(image.name, " needs ", blob.digest.to_string(),
                                ", which is neither in the bundle nor said to be at the destination"));
  return faults;
}

void BundleReader::check_blob(const PlannedBlob& planned, const std::stop_token& stop) const {
  std::string header(planned.header.size(), '\0');
  files_.read(planned.offset, std::as_writable_bytes(std::span(header)));
  if (header != planned.header)
    throw Error(ErrorCode::corrupt, concat(files_.name_at(planned.offset).string(), " is damaged before ",
                                           planned.blob.digest.to_string()));
  const auto source = open(planned.blob);
  std::vector<std::byte> buffer(kStreamBlock);
  while (source->read(buffer) != 0)
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "canceled");
}

}  // namespace dash::registry
