#include "registry/bundle/export_bundle.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"
#include "oci/tar_writer.hpp"
#include "registry/blob_progress.hpp"
#include "registry/bundle/part_files.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <span>

namespace dash::registry {

namespace {

constexpr std::size_t kImagesAtOnce = 100;                         // whose documents are read side by side
constexpr std::uint64_t kDocumentsKept = std::uint64_t{16} << 20;  // bytes; others are read again
constexpr std::size_t kRepositoriesNoted = 4;  // of those that share a blob; one is enough to mount it

std::string repository_of(const std::string& name) {
  auto reference = oci::Reference::parse(name);
  reference.tag.clear();
  reference.digest.reset();
  return reference.to_string();
}

// Whether the bytes from the source's place on are the blob.
bool is_blob(Source& source, const oci::Descriptor& blob) {
  Sha256Hasher hasher;
  std::vector<std::byte> buffer(kStreamBlock);
  for (auto left = blob.size; left != 0;) {
    const auto count = source.read(
        MutableBytes(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left))));
    if (count == 0) return false;
    hasher.update(Bytes(buffer).first(count));
    left -= count;
  }
  return oci::Digest(hasher.value()) == blob.digest;
}

class WrittenSource : public Source {
 public:
  WrittenSource(const PartFilesWriter& files, std::uint64_t offset) : files_(files), at_(offset) {}
  std::size_t read(MutableBytes buffer) override {
    const auto count = files_.read(at_, buffer);
    at_ += count;
    return count;
  }

 private:
  const PartFilesWriter& files_;
  std::uint64_t at_;
};

}  // namespace

// Decides what goes in.
class BundleExport::Planner {
 public:
  Planner(BundleExport& out, const std::optional<Inventory>& since) : out_(out) {
    if (!since) return;
    for (const auto& image : since->images) images_.emplace(without_registry(image.name), image.image.digest);
    for (const auto& blob : since->blobs) blobs_.emplace(blob.blob.digest, &blob);
  }

  void add(const BundleItem& item, ImageContents contents) {
    const auto repository = repository_of(item.name);
    const auto known = images_.find(std::string(without_registry(item.name)));
    const bool unchanged = known != images_.end() && known->second == item.image.digest;
    auto image = item.image;
    image.annotations.clear();
    image.platform.reset();
    (unchanged ? out_.index_.required.images : out_.index_.images).push_back({item.name, std::move(image)});
    for (auto& document : contents.documents) {
      note(unchanged ? required_ : out_.index_.documents, document.descriptor, repository, unchanged);
      out_.sources_.emplace(document.descriptor.digest, item.from);
      if (!unchanged) keep(std::move(document));
    }
    for (const auto& blob : contents.blobs) {
      const bool left_out = unchanged || blobs_.contains(blob.digest);
      note(left_out ? required_ : out_.index_.blobs, blob, repository, left_out);
      out_.sources_.emplace(blob.digest, item.from);
    }
  }

  // What one image needs and another one leaves out is in the bundle.
  void finish() {
    for (auto& entry : required_)
      if (!included_.contains(entry.blob.digest)) out_.index_.required.blobs.push_back(std::move(entry));
  }

 private:
  void keep(Document document) {
    if (kept_ + document.bytes.size() > kDocumentsKept) return;
    kept_ += document.bytes.size();
    out_.documents_.emplace(document.descriptor.digest, std::move(document.bytes));
  }
  void note(std::vector<BundledBlob>& list, const oci::Descriptor& descriptor, const std::string& repository,
            bool left_out) {
    auto& places = left_out ? left_out_ : included_;
    const auto [place, is_new] = places.try_emplace(descriptor.digest, Place{&list, list.size()});
    if (is_new)
      list.push_back({{descriptor.media_type, descriptor.digest, descriptor.size, {}, std::nullopt}, {}});
    auto& repositories = place->second.list->at(place->second.index).repositories;
    if (const auto there = blobs_.find(descriptor.digest); left_out && there != blobs_.end()) {
      repositories = there->second->repositories;
      return;
    }
    if (repositories.size() < kRepositoriesNoted &&
        std::find(repositories.begin(), repositories.end(), repository) == repositories.end())
      repositories.push_back(repository);
  }

  BundleExport& out_;
  std::map<std::string, oci::Digest, std::less<>> images_;
  std::map<oci::Digest, const BundledBlob*> blobs_;
  struct Place {
    std::vector<BundledBlob>* list;
    std::size_t index;
  };
  std::map<oci::Digest, Place> included_;
  std::map<oci::Digest, Place> left_out_;
  std::vector<BundledBlob> required_;
  std::uint64_t kept_ = 0;
};

BundleExport::BundleExport(RegistrySession& session, const std::vector<BundleItem>& items,
                           const std::optional<Inventory>& since, EventSink& events, std::stop_token stop)
    : session_(session), events_(events), stop_(std::move(stop)) {
  if (items.empty()) throw Error(ErrorCode::usage, "there are no images to export");
  std::set<std::string> names;
  for (const auto& item : items)
    if (!names.insert(item.name).second)
      throw Error(ErrorCode::usage, concat("two images would be ", item.name, " in the bundle"));
  Planner planner(*this, since);
  for (std::size_t at = 0; at < items.size(); at += kImagesAtOnce) {
    const auto piece = std::span(items).subspan(at, std::min(kImagesAtOnce, items.size() - at));
    std::vector<ImageContents> contents(piece.size());
    TaskGroup(stop_).for_each(session_.transfers(), piece.size(), [&](std::size_t i) {
      with_context(concat("while reading ", piece[i].name),
                   [&] { contents[i] = read_contents(*piece[i].from, piece[i].image); });
    });
    for (std::size_t i = 0; i < piece.size(); ++i) planner.add(piece[i], std::move(contents[i]));
  }
  planner.finish();
  plan_.emplace(index_);
}

ExportReport BundleExport::report() const {
  ExportReport out;
  out.size = plan_->size();
  out.images = index_.images.size();
  out.unchanged = index_.required.images.size();
  out.blobs = index_.blobs.size();
  out.left_out = index_.required.blobs.size();
  return out;
}

std::unique_ptr<BlobSource> BundleExport::open(const oci::Descriptor& blob) const {
  auto& source = *sources_.at(blob.digest);
  if (!oci::media_type::is_index(blob.media_type) && !oci::media_type::is_manifest(blob.media_type))
    return source.blob(blob);
  const auto kept = documents_.find(blob.digest);
  return open_verified(
      [bytes = kept != documents_.end() ? kept->second : source.document(blob)](std::uint64_t offset) {
        return std::make_unique<MemorySource>(
            std::string_view(bytes).substr(static_cast<std::size_t>(offset)));
      },
      blob, blob.digest.to_string());
}

ExportReport BundleExport::write(const fs::path& file, std::uint64_t part_size) {
  PartFilesWriter files(file, plan_->size(), part_size);
  auto out = report();
  std::atomic<std::uint64_t> resumed = 0;
  // The largest first, so that none is left alone at the end.
  std::vector<const PlannedBlob*> order;
  for (const auto& planned : plan_->blobs()) order.push_back(&planned);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->blob.size > b->blob.size; });
  TaskGroup(stop_).for_each(session_.transfers(), order.size(), [&](std::size_t i) {
    std::uint64_t kept = 0;
    write_blob(files, *order[i], kept);
    resumed += kept;
  });
  files.write(plan_->size() - oci::kTarEnd, std::string(oci::kTarEnd, '\0'));
  files.write(0, plan_->front());
  files.commit();
  out.files = files.names();
  out.resumed = resumed;
  return out;
}

// The header comes last: where it is, the content was complete.
void BundleExport::write_blob(PartFilesWriter& files, const PlannedBlob& planned, std::uint64_t& resumed) {
  BlobProgress progress(events_, "export", planned.blob);
  std::string header(planned.header.size(), '\0');
  WrittenSource earlier(files, planned.offset);
  const auto buffer_of = [](std::string& text) { return std::as_writable_bytes(std::span(text)); };
  for (std::size_t at = 0; at < header.size();) at += earlier.read(buffer_of(header).subspan(at));
  if (header == planned.header && is_blob(earlier, planned.blob)) {
    resumed = planned.blob.size;
  } else {
    const auto source = open(planned.blob);
    std::vector<std::byte> buffer(kStreamBlock);
    auto at = planned.content();
    while (const auto count = source->read(buffer)) {
      if (stop_.stop_requested()) throw Error(ErrorCode::canceled, "canceled");
      files.write(at, Bytes(buffer).first(count));
      at += count;
      progress.at(at - planned.content());
    }
    files.write(at, std::string(oci::tar_padding(planned.blob.size), '\0'));
    files.write(planned.offset, planned.header);
  }
  progress.finish();
}

ExportReport BundleExport::stream(Sink& out) {
  out.write(as_bytes(plan_->front()));
  const std::string zeros(oci::kTarEnd, '\0');
  for (const auto& planned : plan_->blobs()) {
    BlobProgress progress(events_, "export", planned.blob);
    out.write(as_bytes(planned.header));
    const auto source = open(planned.blob);
    std::vector<std::byte> buffer(kStreamBlock);
    while (const auto count = source->read(buffer)) {
      if (stop_.stop_requested()) throw Error(ErrorCode::canceled, "canceled");
      out.write(Bytes(buffer).first(count));
      progress.at(source->position());
    }
    out.write(as_bytes(std::string_view(zeros).substr(0, oci::tar_padding(planned.blob.size))));
    progress.finish();
  }
  out.write(as_bytes(zeros));
  return report();
}

}  // namespace dash::registry
