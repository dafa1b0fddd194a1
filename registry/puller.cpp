#include "registry/puller.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/image_copy.hpp"
#include "registry/image_source.hpp"
#include "registry/partial_file.hpp"
#include "registry/transfer_group.hpp"

#include <vector>

namespace dash::registry {

namespace {

// Documents that the layout has are read from there.
class LayoutFirst : public RepositorySource {
 public:
  LayoutFirst(RegistryClient& client, const oci::ImageLayout& layout)
      : RepositorySource(client), layout_(layout) {}
  std::string document(const oci::Descriptor& descriptor) override {
    return layout_.contains(descriptor.digest) ? layout_.read(descriptor, oci::kMaxDocumentSize)
                                               : RepositorySource::document(descriptor);
  }

 private:
  const oci::ImageLayout& layout_;
};

class Pull {
 public:
  Pull(RegistrySession& session, EventSink& events, const oci::Reference& from, oci::ImageLayout& to,
       const PullOptions& options, const std::stop_token& stop)
      : session_(session),
        events_(events),
        to_(to),
        options_(options),
        group_(stop),
        client_(session, from, group_.stop()),
        source_(client_, to) {}

  PullReport run(const oci::Reference& from) {
    const auto reference = from.digest ? from.digest->to_string() : from.tag;
    const auto found = client_.resolve(reference);
    if (!found)
      throw Error(ErrorCode::not_found,
                  concat(client_.registry(), '/', client_.repository(), " has no ", reference))
          .with_hint(concat("'dash-build tags ", client_.registry(), '/', client_.repository(),
                            "' lists what is there"));
    const auto lease = to_.lease();
    report_.image = choose(*found);
    const auto contents = read_contents(source_, report_.image);
    group_.for_each(session_.transfers(), contents.blobs.size(),
                    [&](std::size_t i) { fetch_blob(contents.blobs[i]); });
    for (const auto& document : contents.documents) to_.put(document.bytes, document.descriptor.media_type);
    if (!options_.name.empty()) to_.tag(options_.name, report_.image);
    return report_;
  }

 private:
  // The index's entry for the wanted platform, or what was found.
  oci::Descriptor choose(const oci::Descriptor& found) {
    if (!options_.platform || !oci::media_type::is_index(found.media_type)) return found;
    to_.put(source_.document(found), found.media_type);
    return oci::resolve_manifest(to_, found, *options_.platform);
  }

  void fetch_blob(const oci::Descriptor& blob) {
    if (to_.claim(blob.digest)) {
      const std::scoped_lock lock(mutex_);
      ++report_.there;
      return;
    }
    PartialFile file(to_.blob_path(blob.digest), PartialFile::Resume::yes);
    if (file.size() > blob.size) file.clear();
    auto resumed = file.size();
    std::uint64_t received = 0;
    while (const auto fault = fill(file, blob, received)) {
      // An earlier run's part may be the wrong one; so may a mirror.
      if (resumed == 0 && !client_.read_elsewhere(blob.digest)) {
        file.discard();
        throw Error(*fault);
      }
      resumed = 0;
      file.clear();
    }
    file.commit();
    const std::scoped_lock lock(mutex_);
    ++report_.fetched;
    report_.bytes_received += received;
    report_.bytes_resumed += resumed;
  }

  // Fetches what is missing; what is wrong with the whole, if anything.
  std::optional<Error> fill(PartialFile& file, const oci::Descriptor& blob, std::uint64_t& received) try {
    BlobProgress progress(events_, options_.step, blob);
    if (file.size() < blob.size || blob.size == 0) {
      const auto source = client_.blob_from(blob, file.size());
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
                 concat("blob ", blob.digest.to_string(), " of ", client_.registry(), '/',
                        client_.repository(), " does not match its digest: found ", found.to_string()))
        .with_hint("the registry's copy is damaged; push the image there again");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
    return error;
  }

  RegistrySession& session_;
  EventSink& events_;
  oci::ImageLayout& to_;
  const PullOptions& options_;
  TransferGroup group_;
  RegistryClient client_;
  LayoutFirst source_;
  std::mutex mutex_;
  PullReport report_;
};

}  // namespace

PullReport Puller::pull(const oci::Reference& from, oci::ImageLayout& to, const PullOptions& options) {
  const auto name = from.with_default_tag();
  return with_context(concat("while pulling ", name.to_string()),
                      [&] { return Pull(session_, events_, name, to, options, stop_).run(name); });
}

}  // namespace dash::registry
