#include "registry/blob_places.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "oci/reference.hpp"
#include "registry/registry_session.hpp"

#include <boost/filesystem/directory.hpp>

namespace dash::registry {

namespace {
constexpr std::uint64_t kMaxName = 1024;
}

std::optional<std::string> BlobPlaces::find(const std::string& registry, const oci::Digest& blob) const {
  if (directory_.empty()) return std::nullopt;
  try {
    auto name = read_file_if_exists(file(registry, blob), kMaxName);
    // Under another registry's name, because a repository's first part may look like one.
    if (name && oci::Reference::parse("x.example/" + *name).repository != *name) return std::nullopt;
    return name;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void BlobPlaces::note(const std::string& registry, const oci::Digest& blob, const std::string& repository) {
  if (directory_.empty() || find(registry, blob) == repository) return;
  try {
    const auto path = file(registry, blob);
    make_directories(path.parent_path(), 0700);
    TempFile out(path.parent_path());
    out.write(as_bytes(repository));
    fs::rename(out.path(), path);  // a hint needs no fsync
  } catch (const std::exception&) {
    return;
  }
}

void BlobPlaces::remove_before(std::time_t time) {
  boost::system::error_code ignored;
  for (fs::recursive_directory_iterator entry(directory_, ignored), end; entry != end;
       entry.increment(ignored))
    if (fs::is_regular_file(entry->status(ignored)) && fs::last_write_time(entry->path(), ignored) < time)
      fs::remove(entry->path(), ignored);
}

fs::path BlobPlaces::file(const std::string& registry, const oci::Digest& blob) const {
  return directory_ / oci::Digest::of(registry).hex().substr(0, 16) / blob.hex();
}

fs::path places_directory(const fs::path& state_directory) {
  return state_directory.empty() ? fs::path() : state_directory / "places";
}

BlobPlaces places_of(const RegistrySession& session) {
  return BlobPlaces(places_directory(session.settings().state_directory));
}

}  // namespace dash::registry
