#include "oci/image_layout.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <cerrno>

#include <boost/filesystem/directory.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::oci {

namespace {

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view kEmptyIndex =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";

bool is_there(const fs::path& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

class LayoutBlobWriter : public BlobWriter {
 public:
  LayoutBlobWriter(const fs::path& directory, const ImageLayout& layout) : file_(directory), layout_(layout) {
    // Tells garbage collection that this file is being written; released when the file is closed.
    ::flock(file_.fd(), LOCK_SH | LOCK_NB);
  }
  void write(Bytes bytes) override {
    file_.write(bytes);
    written_ += bytes.size();
    if (written_ - handed_over_ < kWriteback) return;
    // Lets the disk work while the rest is made, so that the fsync at the end has little left to wait for.
    ::sync_file_range(file_.fd(), static_cast<off64_t>(handed_over_),
                      static_cast<off64_t>(written_ - handed_over_), SYNC_FILE_RANGE_WRITE);
    handed_over_ = written_;
  }
  void commit(const Digest& digest) override {
    const auto path = layout_.blob_path(digest);
    file_.commit(path);
    sync_directory(path.parent_path());
  }

 private:
  static constexpr std::uint64_t kWriteback = std::uint64_t{8} << 20;

  TempFile file_;
  const ImageLayout& layout_;
  std::uint64_t written_ = 0;
  std::uint64_t handed_over_ = 0;
};

bool is_named(const Descriptor& entry, std::string_view name) {
  const auto found = entry.annotations.find(annotation::kRefName);
  return found != entry.annotations.end() && found->second == name;
}

// Blobs being written (".tmp-…") or fetched ("<digest>.part", "<digest>.…"), or what is left of that.
bool is_temporary(const fs::path& file) {
  constexpr std::size_t kDigits = 64;
  const auto name = file.filename().string();
  return name.starts_with(".tmp-") ||
         (name.size() > kDigits && name[kDigits] == '.' && sha256_from_hex(name.substr(0, kDigits)));
}

// Absent, empty, or what `open_or_create` leaves when it is stopped before the directory is a layout.
bool is_empty_or_begun(const fs::path& directory) {
  boost::system::error_code ignored;
  if (!is_there(directory) || fs::is_empty(directory, ignored)) return true;
  if (!fs::is_directory(directory, ignored)) return false;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const auto name = entry.path().filename().string();
    const bool is_blobs = name == "blobs" && (fs::is_empty(entry.path() / "sha256", ignored) ||
                                              fs::is_empty(entry.path(), ignored));
    const bool is_index = name == "index.json" && read_file(entry.path(), kMaxDocumentSize) == kEmptyIndex;
    if (!is_blobs && !is_index && !name.starts_with(".tmp-")) return false;
  }
  return true;
}

}  // namespace

ImageLayout ImageLayout::open(const fs::path& directory) {
  const auto marker = read_file_if_exists(directory / "oci-layout", kMaxDocumentSize);
  if (!marker)
    throw Error(is_there(directory) ? ErrorCode::invalid_input : ErrorCode::not_found,
                is_there(directory)
                    ? concat(directory.string(), " is not an OCI image layout: it has no file oci-layout")
                    : concat("there is no OCI image layout at ", directory.string()));
  if (!dash::contains(*marker, "imageLayoutVersion") || !dash::contains(*marker, "1.0"))
    throw Error(ErrorCode::unsupported,
                concat((directory / "oci-layout").string(), " names another layout version than 1.0.0"));
  return ImageLayout(directory);
}

ImageLayout ImageLayout::open_or_create(const fs::path& directory) {
  if (is_there(directory / "oci-layout")) return open(directory);
  if (!is_empty_or_begun(directory))
    throw Error(ErrorCode::invalid_input,
                concat(directory.string(), " exists and is not an OCI image layout"))
        .with_hint("name a directory that is empty, does not exist, or holds an image layout");
  make_directories(directory / "blobs" / "sha256");
  if (!is_there(directory / "index.json")) write_file_atomic(directory / "index.json", kEmptyIndex);
  write_file_atomic(directory / "oci-layout", kLayoutFile);  // last: it is what makes the directory a layout
  return ImageLayout(directory);
}

fs::path ImageLayout::blob_path(const Digest& digest) const {
  return directory_ / "blobs" / "sha256" / digest.hex();
}

bool ImageLayout::contains(const Digest& digest) const {
  return is_there(blob_path(digest));
}

bool ImageLayout::claim(const Digest& digest) const {
  const auto held = lock_out_eviction(directory_);
  return contains(digest) && mark_used(blob_path(digest));
}

std::unique_ptr<Source> ImageLayout::open(const Descriptor& blob) const {
  const auto path = blob_path(blob.digest);
  if (!is_there(path))
    throw Error(ErrorCode::not_found,
                concat("blob ", blob.digest.to_string(), " is not in ", directory_.string()));
  return std::make_unique<VerifyingSource>(std::make_unique<FileSource>(path), blob, path.string());
}

std::unique_ptr<BlobWriter> ImageLayout::begin_write() {
  return std::make_unique<LayoutBlobWriter>(directory_ / "blobs" / "sha256", *this);
}

Index ImageLayout::index() const {
  const auto path = directory_ / "index.json";
  return Index::parse(read_file(path, kMaxDocumentSize), path.string());
}

void ImageLayout::update_index(const std::function<void(Index&)>& change) {
  const auto lock = FileLock::acquire(directory_ / ".index.lock", FileLock::Kind::exclusive);
  auto current = index();
  const auto before = current.to_json();
  change(current);
  if (const auto after = current.to_json(); after != before)
    write_file_atomic(directory_ / "index.json", after);
}

std::optional<Descriptor> ImageLayout::find(std::string_view name) const {
  for (const auto& entry : index().manifests)
    if (is_named(entry, name)) return entry;
  return std::nullopt;
}

void ImageLayout::tag(std::string_view name, const Descriptor& manifest) {
  update_index([&](Index& index) {
    auto entry = manifest;
    entry.annotations[annotation::kRefName] = name;
    const auto has_name = [&](const Descriptor& other) { return is_named(other, name); };
    const auto place = std::find_if(index.manifests.begin(), index.manifests.end(), has_name);
    if (place == index.manifests.end()) return index.manifests.push_back(std::move(entry));
    *place = std::move(entry);
    index.manifests.erase(std::remove_if(place + 1, index.manifests.end(), has_name), index.manifests.end());
  });
}

bool ImageLayout::untag(std::string_view name) {
  bool removed = false;
  update_index([&](Index& index) {
    removed =
        std::erase_if(index.manifests, [&](const Descriptor& entry) { return is_named(entry, name); }) > 0;
  });
  return removed;
}

StoredImage ImageLayout::load(const Descriptor& descriptor, const Platform& platform) const {
  return load_image(*this, descriptor, platform);
}

Descriptor ImageLayout::store_image(const ImageConfig& config, const std::vector<Layer>& layers,
                                    const Annotations& annotations) {
  return put_image(*this, config, layers, annotations);
}

Lease ImageLayout::lease() const {
  return Lease(directory_);
}

std::set<Digest> ImageLayout::reachable(Reach reach) const {
  std::set<Digest> out;
  auto walk = [&](const auto& self, const Descriptor& descriptor) -> void {
    if (!out.insert(descriptor.digest).second || !contains(descriptor.digest)) return;
    const auto name = descriptor.digest.to_string();
    if (media_type::is_index(descriptor.media_type)) {
      for (const auto& entry : Index::parse(read(descriptor, kMaxDocumentSize), name).manifests)
        self(self, entry);
    } else if (media_type::is_manifest(descriptor.media_type)) {
      const auto manifest = Manifest::parse(read(descriptor, kMaxDocumentSize), name);
      out.insert(manifest.config.digest);
      if (reach == Reach::documents) return;
      for (const auto& layer : manifest.layers) out.insert(layer.digest);
    }
  };
  for (const auto& entry : index().manifests) walk(walk, entry);
  return out;
}

std::optional<ImageLayout::Collected> ImageLayout::collect_garbage(const std::set<Digest>& extra_roots) {
  const auto lock = FileLock::try_acquire(directory_ / ".gc.lock", FileLock::Kind::exclusive);
  if (!lock) return std::nullopt;
  std::set<Digest> wanted = reachable();
  wanted.insert(extra_roots.begin(), extra_roots.end());
  Collected out;
  std::vector<fs::path> garbage;
  for (const auto& file : fs::directory_iterator(directory_ / "blobs" / "sha256")) {
    const auto value = sha256_from_hex(file.path().filename().string());
    if (value ? !wanted.contains(Digest(*value)) : is_temporary(file.path())) garbage.push_back(file.path());
  }
  for (const auto& file : garbage) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) continue;
    if (is_temporary(file) && !FileLock::try_acquire(file, FileLock::Kind::exclusive)) continue;
    if (::unlink(file.c_str()) != 0) throw system_error(concat("cannot remove ", file.string()), errno);
    ++out.blobs;
    out.bytes += static_cast<std::uint64_t>(info.st_size);
  }
  return out;
}

std::vector<std::string> ImageLayout::validate() const {
  std::vector<std::string> faults;
  std::set<Digest> seen;
  auto attempt = [&](auto&& check) {
    try {
      check();
    } catch (const Error& error) {
      faults.push_back(error.message());
    }
  };
  auto check_blob = [&](const Descriptor& blob) {
    if (!seen.insert(blob.digest).second) return;
    attempt([&] {
      const auto source = open(blob);
      NullSink nowhere;
      copy(*source, nowhere);
      const auto size = fs::file_size(blob_path(blob.digest));
      if (size != blob.size)
        throw Error(ErrorCode::corrupt,
                    concat("blob ", blob.digest.to_string(), " has ", size, " bytes instead of ", blob.size));
    });
  };
  auto check = [&](const auto& self, const Descriptor& descriptor) -> void {
    check_blob(descriptor);
    attempt([&] {
      const auto name = descriptor.digest.to_string();
      if (media_type::is_index(descriptor.media_type)) {
        for (const auto& entry : Index::parse(read(descriptor, kMaxDocumentSize), name).manifests)
          self(self, entry);
      } else if (media_type::is_manifest(descriptor.media_type)) {
        const auto manifest = Manifest::parse(read(descriptor, kMaxDocumentSize), name);
        check_blob(manifest.config);
        for (const auto& layer : manifest.layers)
          if (!media_type::is_foreign_layer(layer.media_type) || contains(layer.digest)) check_blob(layer);
      }
    });
  };
  attempt([&] {
    open(directory_);
    for (const auto& entry : index().manifests) check(check, entry);
  });
  return faults;
}

}  // namespace dash::oci
