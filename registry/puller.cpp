#include "registry/puller.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "oci/image_copy.hpp"
#include "oci/overlay_store.hpp"
#include "registry/blob_fetch.hpp"
#include "registry/blob_places.hpp"
#include "registry/blob_progress.hpp"
#include "registry/image_source.hpp"
#include "registry/repository_store.hpp"

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
    const bool is_chosen = report_.image.digest != found->digest;
    if (options_.platform && !is_chosen && options_.other_platform == PullOptions::OtherPlatform::refuse)
      require_platform(contents, from);
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

  // Before anything large is fetched.
  void require_platform(const ImageContents& contents, const oci::Reference& from) {
    oci::OverlayStore store(std::make_unique<RepositoryStore>(client_));
    for (const auto& document : contents.documents) store.add(document.bytes, document.descriptor.media_type);
    oci::require_platform(store, report_.image, *options_.platform, from.to_string());
  }

  void fetch_blob(const oci::Descriptor& blob) {
    if (to_.claim(blob.digest)) {
      places_of(session_).note(client_.registry(), blob.digest, client_.repository());
      const std::scoped_lock lock(mutex_);
      ++report_.there;
      return;
    }
    BlobProgress progress(events_, options_.step, blob);
    const auto got = registry::fetch_blob(client_, blob, to_.blob_path(blob.digest), progress);
    const std::scoped_lock lock(mutex_);
    ++report_.fetched;
    report_.bytes_received += got.received;
    report_.bytes_resumed += got.resumed;
  }

  RegistrySession& session_;
  EventSink& events_;
  oci::ImageLayout& to_;
  const PullOptions& options_;
  TaskGroup group_;
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
