#include "builder/conda/installer.hpp"

#include "base/archive.hpp"
#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/conda/installer_header.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <unistd.h>

namespace dash::builder {
namespace {

constexpr std::string_view kPreconda = "preconda.tar.bz2";
constexpr std::string_view kPackages = "pkgs/";
constexpr std::string_view kConda = "conda";
constexpr std::uint64_t kMaxPreconda = std::uint64_t{512} << 20;
// The base environment alone since constructor 3.4; before that all packages, which is the same.
constexpr const char* kExplicitFile = "conda-meta/initial-state.explicit.txt";
constexpr const char* kUrls = "pkgs/urls";

// A part of a file.
class RangeSource : public Source {
 public:
  RangeSource(const fs::path& file, std::uint64_t begin, std::uint64_t end)
      : fd_(open_file(file, O_RDONLY)), source_(fd_.get(), file.string()), left_(end - begin) {
    if (::lseek(fd_.get(), static_cast<off_t>(begin), SEEK_SET) < 0)
      throw system_error(concat("cannot read ", file.string()), errno);
  }
  std::size_t read(MutableBytes buffer) override {
    const auto count =
        source_.read(buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_))));
    left_ -= count;
    return count;
  }

 private:
  UniqueFd fd_;
  FdSource source_;
  std::uint64_t left_;
};

std::optional<InstallerHeader> header_of(const fs::path& file, std::string_view shown) {
  const std::uint64_t size = fs::file_size(file);
  RangeSource source(file, 0, std::min<std::uint64_t>(size, kMaxInstallerHeader));
  return read_installer_header(read_all(source, kMaxInstallerHeader, shown), size, shown);
}

std::string_view plain(std::string_view path) {
  return path.starts_with("./") ? path.substr(2) : path;
}

// "pkgs/x-1-0.conda" → "x-1-0.conda"; empty for what is no package in there.
std::string_view package_file(std::string_view path) {
  path = plain(path);
  if (!path.starts_with(kPackages)) return {};
  path.remove_prefix(kPackages.size());
  return is_conda_package(path) && !contains(path, "/") ? path : std::string_view();
}

// Text files of preconda.tar.bz2, by path.
std::map<std::string, std::string, std::less<>> read_preconda(Source& content, std::string_view shown) {
  const std::string name = concat(shown, ": ", kPreconda);
  LimitedSource limited(content, kMaxPreconda, name);
  ArchiveReader reader(limited, ArchiveReader::Format::tar, name);
  std::map<std::string, std::string, std::less<>> out;
  while (const auto entry = reader.next()) {
    const auto path = plain(entry->path);
    if (path == kUrls || path == kExplicitFile || path.ends_with("/info/repodata_record.json"))
      out.insert_or_assign(std::string(path), read_all(reader.content(), kMaxPreconda, name));
  }
  return out;
}

struct Payload {
  std::map<std::string, std::string, std::less<>> texts;       // of preconda.tar.bz2
  std::map<std::string, PackageDigests, std::less<>> digests;  // of the archives, by file name
};

Payload read_payload(const fs::path& file, const InstallerHeader& header, std::string_view shown,
                     const std::stop_token& stop) {
  RangeSource source(file, header.tar, header.tar_end);
  ArchiveReader reader(source, ArchiveReader::Format::tar, std::string(shown));
  Payload out;
  while (const auto entry = reader.next()) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, concat("stopped while reading ", shown));
    if (plain(entry->path) == kPreconda) out.texts = read_preconda(reader.content(), shown);
    if (const auto name = package_file(entry->path); !name.empty())
      out.digests[std::string(name)].sha256 = sha256(reader.content());
  }
  if (out.texts.empty())
    throw damaged_installer(shown, concat("it has no ", kPreconda, " with a list of packages"));
  return out;
}

// The list of an installer has lines like those of an explicit file.
ExplicitLock package_list(const Payload& payload, std::string_view shown) {
  if (const auto found = payload.texts.find(kExplicitFile); found != payload.texts.end())
    return parse_explicit_lock(found->second, concat(shown, ": ", kExplicitFile));
  const auto urls = payload.texts.find(kUrls);
  if (urls == payload.texts.end()) throw damaged_installer(shown, concat("it has no ", kUrls));
  return parse_explicit_lock("@EXPLICIT\n" + urls->second, concat(shown, ": ", kUrls));
}

}  // namespace

std::optional<InstallerContent> read_installer(const fs::path& file, std::string_view shown,
                                               std::stop_token stop) {
  const auto header = header_of(file, shown);
  if (!header) return std::nullopt;
  RangeSource whole(file, header->payload, header->tar_end);
  if (const auto md5 = checksum_hex("md5", whole); md5 != header->md5)
    throw damaged_installer(shown,
                            concat("the MD5 of what it holds is ", md5, ", its header says ", header->md5));
  const auto payload = read_payload(file, *header, shown, stop);

  InstallerContent out{header->name, header->version, package_list(payload, shown), {}};
  for (CondaPackageUrl& package : out.packages.packages) {
    const auto archive = payload.digests.find(package.file_name());
    if (archive == payload.digests.end())
      throw damaged_installer(shown, concat(package.file_name(), " is in its list, but not in it"));
    package.digests.sha256 = archive->second.sha256;
    const auto record = payload.texts.find(concat(kPackages, package.dist(), "/info/repodata_record.json"));
    if (record != payload.texts.end()) package.repodata = record->second;
    if (package.name() == kConda) out.conda_version = package.version();
  }
  if (out.packages.packages.empty()) throw damaged_installer(shown, "its list of packages is empty");
  return out;
}

void extract_installer_packages(const fs::path& file, std::string_view shown, const fs::path& directory,
                                std::stop_token stop) {
  const auto header = header_of(file, shown);
  if (!header) throw damaged_installer(shown, "it has no header any more");
  RangeSource source(file, header->tar, header->tar_end);
  ArchiveReader reader(source, ArchiveReader::Format::tar, std::string(shown));
  while (const auto entry = reader.next()) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, concat("stopped while unpacking ", shown));
    const auto name = package_file(entry->path);
    if (name.empty()) continue;
    TempFile out(directory);
    copy(reader.content(), out);
    out.commit(directory / std::string(name));
  }
}

}  // namespace dash::builder
