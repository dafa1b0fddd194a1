#include "registry/blob_placer.hpp"

#include "base/error.hpp"
#include "registry/blob_progress.hpp"
#include "registry/registry_error.hpp"

#include <optional>

namespace dash::registry {

namespace {

// How a request to mount ended.
struct Mount {
  enum class Outcome { mounted, begun, refused } outcome = Outcome::refused;
  std::optional<Url> location;  // begun: the upload that the registry offers instead
};

Mount try_mount(RegistryClient& to, const oci::Descriptor& blob, const std::string& from) {
  try {
    auto begun = to.mount_blob(blob.digest, from);
    if (!begun) return {Mount::Outcome::mounted, std::nullopt};
    return {Mount::Outcome::begun, std::move(begun)};
  } catch (const RegistryError&) {
    return {};  // registries refuse mounts in many ways; an upload always does
  } catch (const Error& error) {
    if (error.code() != ErrorCode::denied) throw;
    return {};  // so does a token server that keeps us out of the other repository
  }
}

}  // namespace

PlacedBlob BlobPlacer::place(RegistryClient& to, const oci::Descriptor& blob, const Open& open,
                             const std::vector<std::string>& candidates) {
  BlobProgress progress(events_, step_, blob);
  const auto done = [&](PlacedBlob::How how, UploadResult upload = {}) {
    note(to.registry(), to.repository(), blob.digest);
    places_.note(to.registry(), blob.digest, to.repository());
    if (how == PlacedBlob::How::uploaded) progress.finish();  // nothing else has moved
    return PlacedBlob{how, upload};
  };
  const auto known = repositories_with(to.registry(), blob.digest);
  if (known.contains(to.repository())) return done(PlacedBlob::How::there);

  // A repository that is known to have the blob makes the mount a safe bet, and it succeeds when the blob is
  // there already; otherwise asking first costs less.
  bool asked = false;
  const auto is_there = [&] { return !std::exchange(asked, true) && to.has_blob(blob); };
  if (known.empty() && is_there()) return done(PlacedBlob::How::there);
  UploadOptions options;
  const auto from = !known.empty() ? *known.begin() : likely_place(to, blob, candidates);
  if (!from.empty()) {
    auto mount = try_mount(to, blob, from);
    if (mount.outcome == Mount::Outcome::mounted) return done(PlacedBlob::How::mounted);
    options.location = std::move(mount.location);
    if (is_there()) return done(PlacedBlob::How::there);
  }
  options.progress = [&](std::uint64_t sent) { progress.at(sent); };
  const auto source = open();
  return done(PlacedBlob::How::uploaded, upload_blob(to, blob, *source, options));
}

// A repository that may have the blob, or nothing.
std::string BlobPlacer::likely_place(const RegistryClient& to, const oci::Descriptor& blob,
                                     const std::vector<std::string>& candidates) const {
  for (const auto& candidate : candidates)
    if (candidate != to.repository()) return candidate;
  const auto seen = places_.find(to.registry(), blob.digest);
  return seen && *seen != to.repository() ? *seen : std::string();
}

void BlobPlacer::note(const std::string& registry, const std::string& repository, const oci::Digest& blob) {
  const std::scoped_lock lock(mutex_);
  known_[{registry, blob}].insert(repository);
}

std::set<std::string> BlobPlacer::repositories_with(const std::string& registry,
                                                    const oci::Digest& blob) const {
  const std::scoped_lock lock(mutex_);
  const auto found = known_.find({registry, blob});
  return found == known_.end() ? std::set<std::string>() : found->second;
}

}  // namespace dash::registry
