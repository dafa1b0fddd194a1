#include "builder/conda/collect_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/conda_settings.hpp"

namespace dash::builder {
namespace {

fs::path md5_path(const Workbench& bench, const std::string& md5) {
  return bench.store.packages() / "md5" / md5;
}

}  // namespace

CondaCollector::CondaCollector(const Workbench& bench, std::string step, const ExplicitLock& lock,
                               MapUrl map_url)
    : bench_(bench), step_(std::move(step)), lock_(lock), map_url_(std::move(map_url)) {
  for (const CondaPackageUrl& package : lock.packages)
    if (const std::string name = package.file_name(); !is_conda_package(name) || contains(name, "/"))
      throw Error(ErrorCode::invalid_input,
                  concat(package.public_url(), " is not the URL of a conda package"))
          .with_hint("Conda packages end with .conda or .tar.bz2.");
  make_directories(bench_.store.packages() / "md5");
}

fs::path CondaCollector::kept_path(const Sha256& sha256, std::size_t index) const {
  return bench_.store.packages() / to_hex(sha256) / lock_.packages[index].file_name();
}

std::optional<Sha256> CondaCollector::known(std::size_t index) const {
  const PackageDigests& digests = lock_.packages[index].digests;
  if (digests.sha256 || digests.md5.empty()) return digests.sha256;
  const auto text = read_file_if_exists(md5_path(bench_, digests.md5));
  return text ? sha256_from_hex(*text) : std::nullopt;
}

void CondaCollector::collect(const std::vector<std::size_t>& indices, const Ready& ready) {
  const TempDirectory incoming(bench_.store.packages());
  std::vector<FetchRequest> wanted;
  for (const std::size_t index : indices) {
    if (const auto sha256 = known(index); sha256 && is_kept(*sha256, index)) {
      settle(index, kept_path(*sha256, index), ready);
      continue;
    }
    const fs::path destination = incoming.path() / std::to_string(index);
    wanted.push_back(request_for(index, destination));
    wanted.back().completed = [this, &ready, index, destination] { settle(index, destination, ready); };
  }
  fetch(wanted);
}

bool CondaCollector::is_kept(const Sha256& sha256, std::size_t index) const {
  const fs::path kept = kept_path(sha256, index);
  return bench_.store.claim(kept.parent_path()) && fs::exists(kept);
}

FetchRequest CondaCollector::request_for(std::size_t index, const fs::path& destination) const {
  const CondaPackageUrl& package = lock_.packages[index];
  FetchRequest out;
  out.url = map_url_ ? map_url_(package.url) : package.url;
  out.shown = package.file_name();
  if (bench_.network == Network::none && !out.url.starts_with("file:"))
    throw Error(ErrorCode::unavailable, concat(out.shown, " is not in the store, and the build is offline"))
        .with_hint("Build once online with the same store, or configure a mirror that is reachable.");
  out.destination = destination;
  out.sha256 = package.digests.sha256;
  return out;
}

void CondaCollector::fetch(const std::vector<FetchRequest>& wanted) const {
  if (wanted.empty()) return;
  bench_.log(step_, concat("Fetching ", wanted.size(), wanted.size() == 1 ? " package" : " packages"));
  try {
    bench_.fetcher.fetch(
        wanted,
        [this](const FetchRequest& request, std::uint64_t done, std::uint64_t total) {
          bench_.events.emit(BytesMoved{step_, request.shown, done, total});
        },
        bench_.stop);
  } catch (Error& error) {
    if (error.code() == ErrorCode::not_found || error.code() == ErrorCode::corrupt)
      error.with_hint(
          "The channel does not have the package that conda chose, or that the lock names. --upgrade asks "
          "conda again; in an @EXPLICIT file, correct the line.");
    add_mirror_hint(bench_, error);
    throw;
  }
}

// Checks a file and moves what came in to where its hash says. A concurrent build may have put the same file
// there.
void CondaCollector::settle(std::size_t index, const fs::path& path, const Ready& ready) const {
  const CondaPackageUrl& package = lock_.packages[index];
  const PackageDigests digests = check_package_digests(path, package.digests, package.file_name());
  const fs::path kept = kept_path(*digests.sha256, index);
  if (path != kept) {
    make_directories(kept.parent_path());
    fs::rename(path, kept);
    sync_directory(kept.parent_path());
    // Locks may name MD5 only.
    if (const fs::path file = md5_path(bench_, digests.md5); !fs::exists(file))
      write_file_atomic(file, to_hex(*digests.sha256));
  }
  ready(index, kept, digests);
}

}  // namespace dash::builder
