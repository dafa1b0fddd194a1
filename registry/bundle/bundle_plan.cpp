#include "registry/bundle/bundle_plan.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/layer_writer.hpp"
#include "oci/manifest.hpp"
#include "oci/tar_writer.hpp"

namespace dash::registry {

namespace {

constexpr std::string_view kLayout = R"({"imageLayoutVersion":"1.0.0"})";

std::string file_header(std::string path, std::uint64_t size) {
  return oci::tar_header({.path = std::move(path), .mode = 0644, .size = size, .mtime = oci::kDefaultEpoch});
}

std::string directory(std::string path) {
  return oci::tar_header(
      {.path = std::move(path), .type = EntryType::directory, .mode = 0755, .mtime = oci::kDefaultEpoch});
}

std::string file(std::string path, std::string_view content) {
  auto out = file_header(std::move(path), content.size());
  out += content;
  out.append(oci::tar_padding(content.size()), '\0');
  return out;
}

// For readers of image layouts, which know nothing of bundles.
std::string layout_index(const BundleIndex& index) {
  oci::Index out;
  for (const auto& image : index.images) {
    out.manifests.push_back(image.image);
    out.manifests.back().annotations[oci::annotation::kRefName] = image.name;
  }
  return out.to_json();
}

// Reads what `plan` puts at the front, entry by entry, as far as it can be known before bundle.json is read.
class FrontReader {
 public:
  FrontReader(Source& in, const std::string& name) : in_(in), name_(name) {}

  BundleIndex read() {
    if (take(file("oci-layout", kLayout).size()) != file("oci-layout", kLayout)) fail_foreign();
    read_file("index.json");
    const auto index = BundleIndex::parse(read_file("bundle.json"), concat("bundle.json of ", name_));
    const BundlePlan plan(index);
    const auto& front = plan.front();
    if (front.size() > read_.size()) take(front.size() - read_.size());
    if (read_ != front)
      throw Error(ErrorCode::corrupt, concat(name_, " is damaged: its index.json and bundle.json do not fit"))
          .with_hint("copy the bundle again, or export it anew");
    return index;
  }

 private:
  // The content of the next file, which must have this name. A header says nothing but name and size.
  std::string read_file(const std::string& path) {
    constexpr std::size_t kSizeAt = 124;
    constexpr std::size_t kSizeDigits = 11;
    const auto header = take(oci::kTarRecord);
    std::uint64_t size = 0;
    for (const char digit : std::string_view(header).substr(kSizeAt, kSizeDigits)) {
      if (digit < '0' || digit > '7') fail_foreign();
      size = size * 8 + static_cast<std::uint64_t>(digit - '0');
    }
    if (header != file_header(path, size)) fail_foreign();
    if (size > kMaxBundleIndex)
      throw Error(ErrorCode::unsupported,
                  concat(path, " of ", name_, " is larger than ", human_size(kMaxBundleIndex)));
    auto content = take(static_cast<std::size_t>(size) + oci::tar_padding(size));
    content.resize(static_cast<std::size_t>(size));
    return content;
  }

  std::string take(std::size_t count) {
    std::string out(count, '\0');
    for (std::size_t at = 0; at < count;) {
      const auto got = in_.read(std::as_writable_bytes(std::span(out)).subspan(at));
      if (got == 0) {
        if (read_.empty()) fail_foreign();
        throw Error(ErrorCode::corrupt, concat(name_, " ends within its index"))
            .with_hint("copy the bundle again, or export it anew");
      }
      at += got;
    }
    read_ += out;
    return out;
  }

  [[noreturn]] void fail_foreign() const {
    throw Error(ErrorCode::invalid_input, concat(name_, " is no bundle of 'dash-build mirror export'"))
        .with_hint("an image in an archive of another program: dash-build copy oci-archive:FILE docker://…");
  }

  Source& in_;
  const std::string& name_;
  std::string read_;
};

}  // namespace

std::uint64_t PlannedBlob::end() const {
  return content() + blob.size + oci::tar_padding(blob.size);
}

BundlePlan::BundlePlan(const BundleIndex& index)
    : front_(file("oci-layout", kLayout) + file("index.json", layout_index(index)) +
             file("bundle.json", index.to_json()) + directory("blobs") + directory("blobs/sha256")),
      size_(front_.size()) {
  for (const auto* list : {&index.documents, &index.blobs}) {
    for (const auto& entry : *list) {
      PlannedBlob planned{entry.blob, size_,
                          file_header("blobs/sha256/" + entry.blob.digest.hex(), entry.blob.size)};
      size_ = planned.end();
      places_.emplace(entry.blob.digest, blobs_.size());
      blobs_.push_back(std::move(planned));
    }
  }
  size_ += oci::kTarEnd;
}

const PlannedBlob* BundlePlan::find(const oci::Digest& digest) const {
  const auto found = places_.find(digest);
  return found == places_.end() ? nullptr : &blobs_[found->second];
}

BundleIndex read_bundle_front(Source& in, const std::string& name) {
  return FrontReader(in, name).read();
}

}  // namespace dash::registry
