#include "registry/pusher.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/registry_error.hpp"
#include "registry/transfer_group.hpp"
#include "registry/upload.hpp"

#include <condition_variable>
#include <map>
#include <set>

namespace dash::registry {

// Which repositories of a registry are known to have a blob, and whether somebody is moving it there.
class BlobLedger {
 public:
  // Waits while another thread moves the blob to this registry; then the caller is the one who moves it,
  // until `release`. Returns the repositories that have it.
  std::set<std::string> claim(const std::string& registry, const oci::Digest& digest,
                              const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    auto& entry = entries_[{registry, digest}];
    if (!changed_.wait(lock, stop, [&] { return !entry.moving; }))
      throw Error(ErrorCode::canceled, "canceled while waiting for a blob");
    entry.moving = true;
    return entry.repositories;
  }
  void note(const std::string& registry, const oci::Digest& digest, const std::string& repository) {
    const std::scoped_lock lock(mutex_);
    entries_[{registry, digest}].repositories.insert(repository);
  }
  void release(const std::string& registry, const oci::Digest& digest) {
    const std::scoped_lock lock(mutex_);
    entries_[{registry, digest}].moving = false;
    changed_.notify_all();
  }

 private:
  struct Entry {
    std::set<std::string> repositories;
    bool moving = false;
  };
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::pair<std::string, oci::Digest>, Entry> entries_;
};

namespace {

// One image on its way.
class Push {
 public:
  Push(RegistrySession& session, EventSink& events, BlobLedger& ledger, ImageSource& from,
       const oci::Reference& to, const PushOptions& options, const std::stop_token& stop)
      : session_(session),
        events_(events),
        ledger_(ledger),
        from_(from),
        options_(options),
        group_(stop),
        client_(session, to, group_.stop()) {
    const auto place = from.place();
    if (place && place->registry == client_.registry()) candidates_.push_back(place->repository);
    candidates_.insert(candidates_.end(), options.mount_from.begin(), options.mount_from.end());
    std::erase(candidates_, client_.repository());
  }

  PushReport run(const oci::Descriptor& image, const std::string& reference) {
    report_.image = image;
    if (const auto there = client_.resolve(reference); there && there->digest == image.digest) return report_;
    report_.outcome = PushReport::Outcome::pushed;
    const auto contents = read_contents(from_, image);
    group_.for_each(session_.transfers(), contents.blobs.size(),
                    [&](std::size_t i) { place_blob(contents.blobs[i]); });
    put_documents(contents.documents, reference);
    return report_;
  }

 private:
  void place_blob(const oci::Descriptor& blob) {
    const auto known = ledger_.claim(client_.registry(), blob.digest, group_.stop());
    struct Release {
      Push& push;
      const oci::Descriptor& blob;
      ~Release() { push.ledger_.release(push.client_.registry(), blob.digest); }
    } release{*this, blob};
    if (known.contains(client_.repository()) || (known.empty() && client_.has_blob(blob))) {
      const std::scoped_lock lock(mutex_);
      ++report_.there;
    } else {
      std::optional<Url> begun;
      if (!mount(blob, known, begun)) upload(blob, begun);
    }
    ledger_.note(client_.registry(), blob.digest, client_.repository());
    BlobProgress(events_, options_.step, blob).finish();
  }

  bool mount(const oci::Descriptor& blob, const std::set<std::string>& known, std::optional<Url>& begun) {
    const auto& candidate = !known.empty()        ? *known.begin()
                            : candidates_.empty() ? std::string()
                                                  : candidates_.front();
    if (candidate.empty()) return false;
    try {
      begun = client_.mount_blob(blob.digest, candidate);
    } catch (const RegistryError&) {
      return false;  // registries refuse mounts in many ways; an upload always does
    }
    if (begun) return false;
    const std::scoped_lock lock(mutex_);
    ++report_.mounted;
    return true;
  }

  void upload(const oci::Descriptor& blob, std::optional<Url> begun) {
    BlobProgress progress(events_, options_.step, blob);
    UploadOptions options;
    options.location = std::move(begun);
    options.progress = [&](std::uint64_t done) { progress.at(done); };
    const auto source = from_.blob(blob);
    const auto result = upload_blob(client_, blob, *source, options);
    const std::scoped_lock lock(mutex_);
    ++report_.uploaded;
    report_.bytes_sent += result.sent;
    report_.bytes_resumed += result.resumed;
  }

  // Image manifests side by side, then indexes one after the other, which are in the right order.
  void put_documents(const std::vector<Document>& documents, const std::string& reference) {
    std::vector<const Document*> manifests;
    for (const auto& document : documents)
      if (&document != &documents.back() && oci::media_type::is_manifest(document.descriptor.media_type))
        manifests.push_back(&document);
    group_.for_each(session_.transfers(), manifests.size(),
                    [&](std::size_t i) { put(*manifests[i], manifests[i]->descriptor.digest.to_string()); });
    for (const auto& document : documents)
      if (&document != &documents.back() && oci::media_type::is_index(document.descriptor.media_type))
        put(document, document.descriptor.digest.to_string());
    put(documents.back(), reference);
  }

  void put(const Document& document, const std::string& reference) {
    client_.put_manifest(reference, document.bytes, document.descriptor.media_type);
  }

  RegistrySession& session_;
  EventSink& events_;
  BlobLedger& ledger_;
  ImageSource& from_;
  const PushOptions& options_;
  TransferGroup group_;
  RegistryClient client_;
  std::vector<std::string> candidates_;
  std::mutex mutex_;
  PushReport report_;
};

}  // namespace

Pusher::Pusher(RegistrySession& session, EventSink& events, std::stop_token stop)
    : session_(session), events_(events), stop_(std::move(stop)), ledger_(std::make_unique<BlobLedger>()) {}

Pusher::~Pusher() = default;

PushReport Pusher::push(ImageSource& from, const oci::Descriptor& image, const oci::Reference& to,
                        const PushOptions& options) {
  if (to.digest && *to.digest != image.digest)
    throw Error(ErrorCode::usage,
                concat(to.to_string(), " names another digest than the image's, ", image.digest.to_string()))
        .with_hint("push to a tag, or leave the digest out");
  const auto reference = !to.tag.empty() ? to.tag : image.digest.to_string();
  return with_context(concat("while pushing to ", to.to_string()), [&] {
    return Push(session_, events_, *ledger_, from, to, options, stop_).run(image, reference);
  });
}

}  // namespace dash::registry
