#include "registry/blob_fetch.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/blob_places.hpp"
#include "registry/partial_file.hpp"

#include <optional>
#include <vector>

namespace dash::registry {

namespace {

// Fetches what is missing; what is wrong with the whole, if anything.
std::optional<Error> fill(PartialFile& file, RegistryClient& from, const oci::Descriptor& blob,
                          BlobProgress& progress, std::uint64_t& received) try {
  if (file.size() < blob.size || blob.size == 0) {
    const auto source = from.blob_from(blob, file.size());
    std::vector<std::byte> buffer(kStreamBlock);
    while (const auto count = source->read(buffer)) {
      file.append(Bytes(buffer).first(count));
      received += count;
      progress.at(file.size());
    }
  }
  progress.finish();
  const oci::Digest found(file.digest());
  if (found == blob.digest) return std::nullopt;
  return Error(ErrorCode::corrupt,
               concat("blob ", blob.digest.to_string(), " of ", from.registry(), '/', from.repository(),
                      " does not match its digest: found ", found.to_string()))
      .with_hint("the registry's copy is damaged; push the image there again");
} catch (const Error& error) {
  if (error.code() != ErrorCode::corrupt) throw;
  return error;
}

}  // namespace

FetchedBlob fetch_blob(RegistryClient& from, const oci::Descriptor& blob, const fs::path& destination,
                       BlobProgress& progress) {
  PartialFile file(destination, PartialFile::Resume::yes);
  if (file.size() > blob.size) file.clear();
  FetchedBlob out{0, file.size()};
  while (const auto fault = fill(file, from, blob, progress, out.received)) {
    // An earlier run's part may be the wrong one; so may a mirror.
    if (out.resumed == 0 && !from.read_elsewhere(blob.digest)) {
      file.discard();
      throw Error(*fault);
    }
    out.resumed = 0;
    file.clear();
  }
  file.commit();
  places_of(from.session()).note(from.registry(), blob.digest, from.repository());
  return out;
}

}  // namespace dash::registry
