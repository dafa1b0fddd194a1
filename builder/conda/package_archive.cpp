#include "builder/conda/package_archive.hpp"

#include "base/bzip2.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "builder/packages/zip.hpp"
#include "oci/compression.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <fcntl.h>
#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

constexpr std::string_view kConda = ".conda";
constexpr std::string_view kTarBz2 = ".tar.bz2";
constexpr std::string_view kTarZst = ".tar.zst";
constexpr std::string_view kInfo = "info/";
// A package's parts have no limit but that of the file.
constexpr std::uint64_t kLargestPart = std::uint64_t{1} << 40;
constexpr std::uint64_t kLargestInfo = std::uint64_t{64} << 20;
constexpr std::size_t kMostEntries = 2'000'000;

// What of info/ matters for installing, in packages of all ages.
constexpr std::array<std::string_view, 7> kInfoFiles = {
    "index.json", "paths.json", "files", "has_prefix", "no_link", "link.json", "package_metadata.json"};

constexpr const char* kHint =
    "Build again, so that it is downloaded again. If that does not help, the package in the channel is "
    "broken: use another version or build of it.";

// Writes what is read through it too.
class CopyingSource : public Source {
 public:
  CopyingSource(Source& next, Sink& copy) : next_(next), copy_(copy) {}
  std::size_t read(MutableBytes buffer) override {
    const auto count = next_.read(buffer);
    copy_.write(buffer.first(count));
    return count;
  }

 private:
  Source& next_;
  Sink& copy_;
};

// Collects small writes.
class BufferedFile : public Sink {
 public:
  explicit BufferedFile(const fs::path& path)
      : fd_(open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600)), sink_(fd_.get(), path.string()) {}
  void write(Bytes bytes) override {
    if (buffer_.size() + bytes.size() > kStreamBlock) flush();
    if (bytes.size() >= kStreamBlock)
      sink_.write(bytes);
    else
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    size_ += bytes.size();
  }
  void flush() {
    sink_.write(buffer_);
    buffer_.clear();
  }
  std::uint64_t size() const { return size_; }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  FdSink sink_;
  std::vector<std::byte> buffer_;
  std::uint64_t size_ = 0;
};

}  // namespace

// Takes the entries of one or two tars.
class PackageArchive::Reading {
 public:
  Reading(std::string name, const ReadPackageOptions& options)
      : name_(std::move(name)), options_(options), left_(options.limit), content_(options.content) {}

  void read_conda(const fs::path& archive) {
    const ZipReader zip(archive, kLargestPart);
    if (const ZipEntry* metadata = zip.find("metadata.json");
        metadata != nullptr && metadata->size < kLargestInfo)
      check_version(zip.read(*metadata));
    // Info first: its index is where a wrong package is noticed soonest.
    for (const std::string_view part : {"info-", "pkg-"}) {
      const ZipEntry& entry = find_part(zip, part);
      if (entry.method != ZipEntry::Method::stored)
        fail(concat(entry.path, " is compressed once more, which the format does not allow"));
      auto source = oci::make_decompressor(std::make_unique<MemorySource>(zip.stored(entry)),
                                           concat(name_, ": ", entry.path));
      read_tar(*source);
    }
  }

  void read_tar_bz2(const fs::path& archive) {
    if (!options_.decoded.empty() && fs::exists(options_.decoded)) {
      auto source = oci::make_decompressor(std::make_unique<FileSource>(options_.decoded), name_);
      return read_tar(*source);
    }
    const MappedFile file(archive);
    const auto decoder = make_bzip2_source(file.bytes(), name_, options_.pool);
    if (options_.decoded.empty()) return read_tar(*decoder);
    TempFile kept(options_.content.parent_path());
    const auto compressor = oci::make_compressor({oci::Algorithm::zstd, 1}, kept, *options_.pool);
    CopyingSource source(*decoder, *compressor);
    read_tar(source);
    compressor->finish();
    make_directories(options_.decoded.parent_path());
    kept.commit(options_.decoded);
  }

  void finish(PackageArchive& package) {
    content_.flush();
    package.content_ = MappedFile(content_.fd(), options_.content.string());
    // Files of info were needed so far because others may be hard links to them.
    for (auto& [path, file] : files_) {
      if (path.starts_with(kInfo))
        keep_info(package, file);
      else if (path + '/' != kInfo)
        package.files_.push_back(std::move(file));
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupt, concat(name_, " is not a usable conda package: ", what)).with_hint(kHint);
  }

  void check_version(const std::string& metadata) const {
    const auto json = nlohmann::json::parse(metadata, nullptr, false);
    if (!json.is_object()) return;
    const auto version = json.find("conda_pkg_format_version");
    if (version == json.end() || *version == 2) return;
    throw Error(ErrorCode::unsupported,
                concat(name_, " has version ", version->dump(), " of the .conda format; known is version 2"))
        .with_hint("Use another build of the package.");
  }

  const ZipEntry& find_part(const ZipReader& zip, std::string_view part) const {
    const ZipEntry* found = nullptr;
    for (const ZipEntry& entry : zip.entries()) {
      if (!entry.path.starts_with(part) || !entry.path.ends_with(kTarZst)) continue;
      if (found != nullptr) fail(concat("it has both ", found->path, " and ", entry.path));
      found = &entry;
    }
    if (found == nullptr) fail(concat("it has no ", part, "*", kTarZst));
    return *found;
  }

  void read_tar(Source& source) {
    LimitedSource limited(source, left_, name_);
    ArchiveReader tar(limited, ArchiveReader::Format::tar, name_);
    while (auto entry = tar.next()) add(tar, *entry);
    // What follows the end of the tar must be read too: it may be damaged, and a copy may be made of it.
    std::vector<std::byte> rest(kStreamBlock);
    while (limited.read(rest) > 0) {
    }
  }

  // Nothing for the root itself.
  std::string checked_path(std::string_view path) const {
    if (!is_utf8(path)) fail(concat("it has a name that is not UTF-8: ", dash::quoted(path)));
    if (path.starts_with('/')) fail(concat("it has an absolute name: ", dash::quoted(path)));
    std::string out;
    for (const std::string_view part : split(path, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") fail(concat("it has an unsafe name: ", dash::quoted(path)));
      out += concat(out.empty() ? "" : "/", part);
    }
    return out;
  }

  void add(ArchiveReader& tar, const ArchiveEntry& entry) {
    const std::string path = checked_path(entry.path);
    if (path.empty()) return;
    if (++entries_ > kMostEntries) fail(concat("it has more than ", kMostEntries, " entries"));
    switch (entry.type) {
      case EntryType::file:
        return add_file(tar, entry, path);
      case EntryType::hardlink:
        return add_hardlink(path, checked_path(entry.link_target));
      case EntryType::symlink:
      case EntryType::directory:
        put(entry, path);
        return;
      default:
        throw Error(ErrorCode::unsupported, concat(name_, " holds a device or pipe: ", dash::quoted(path)))
            .with_hint("Conda packages hold files and links only. Use another build of the package.");
    }
  }

  void keep_info(PackageArchive& package, const ArchivedFile& file) const {
    const std::string_view name = std::string_view(file.path).substr(kInfo.size());
    if (file.type != EntryType::file || std::ranges::find(kInfoFiles, name) == kInfoFiles.end()) return;
    if (file.size > kLargestInfo) fail(concat(file.path, " is larger than allowed"));
    package.info_.emplace(name, as_text(package.content(file)));
  }

  ArchivedFile& put(const ArchiveEntry& entry, const std::string& path) {
    ArchivedFile& file = files_[path];
    file = ArchivedFile{path, entry.type, entry.mode, entry.mtime, 0, 0, {}, entry.link_target};
    return file;
  }

  void add_file(ArchiveReader& tar, const ArchiveEntry& entry, const std::string& path) {
    ArchivedFile& file = put(entry, path);
    file.offset = content_.size();
    Sha256Hasher hasher;
    while (const auto count = tar.read(buffer_)) {
      const Bytes bytes = Bytes(buffer_).first(count);
      // Holes of sparse files come from nowhere, so the limit on what is read does not count them.
      if (content_.size() + count > options_.limit) fail("its files are larger than allowed");
      hasher.update(bytes);
      content_.write(bytes);
    }
    file.size = content_.size() - file.offset;
    file.sha256 = hasher.value();
  }

  void add_hardlink(const std::string& path, const std::string& target) {
    const auto found = files_.find(target);
    if (found == files_.end())
      fail(concat(dash::quoted(path), " is a hard link to ", dash::quoted(target),
                  ", which is not in front of it"));
    ArchivedFile file = found->second;
    file.path = path;
    files_[path] = std::move(file);
  }

  std::string name_;
  const ReadPackageOptions& options_;
  std::uint64_t left_;
  BufferedFile content_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kStreamBlock);
  std::map<std::string, ArchivedFile> files_;
  std::size_t entries_ = 0;
};

PackageArchive::PackageArchive(const fs::path& archive, const ReadPackageOptions& options)
    : name_(archive.filename().string()), content_file_(options.content) {
  if (!is_conda_package(name_))
    throw Error(ErrorCode::unsupported, concat(dash::quoted(name_), " is not the name of a conda package"))
        .with_hint("Conda packages end with .conda or .tar.bz2.");
  Reading reading(name_, options);
  if (name_.ends_with(kConda))
    reading.read_conda(archive);
  else
    reading.read_tar_bz2(archive);
  reading.finish(*this);
}

const ArchivedFile* PackageArchive::find(std::string_view path) const {
  const auto found = std::ranges::lower_bound(files_, path, {}, &ArchivedFile::path);
  return found == files_.end() || found->path != path ? nullptr : &*found;
}

Bytes PackageArchive::content(const ArchivedFile& file) const {
  return content_.bytes().subspan(file.offset, file.size);
}

const std::string* PackageArchive::info(std::string_view name) const {
  const auto found = info_.find(name);
  return found == info_.end() ? nullptr : &found->second;
}

bool is_conda_package(std::string_view name) {
  return without_conda_suffix(name).size() < name.size();
}

std::string_view without_conda_suffix(std::string_view name) {
  for (const std::string_view suffix : {kConda, kTarBz2})
    if (name.size() > suffix.size() && name.ends_with(suffix))
      return name.substr(0, name.size() - suffix.size());
  return name;
}

PackageDigests check_package_digests(const fs::path& archive, const PackageDigests& expected,
                                     std::string_view shown) {
  FileSource file(archive);
  HashingSource source(file);
  PackageDigests out;
  out.md5 = checksum_hex("md5", source);
  out.sha256 = source.value();
  const auto check = [&](const char* algorithm, const std::string& wanted, const std::string& found) {
    if (wanted.empty() || wanted == found) return;
    throw Error(ErrorCode::corrupt, concat(shown, " has another ", algorithm, " than expected: it is ", found,
                                           ", but should be ", wanted))
        .with_hint(
            "The file in the channel changed or was damaged on its way. Solve again, or ask those who "
            "run the channel or mirror.");
  };
  check("sha256", expected.sha256 ? to_hex(*expected.sha256) : "", to_hex(*out.sha256));
  check("md5", expected.md5, out.md5);
  return out;
}

}  // namespace dash::builder
