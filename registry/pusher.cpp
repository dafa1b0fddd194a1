#include "registry/pusher.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace dash::registry {

namespace {

// Sets are taken in pieces of this many images: their documents are in memory at once.
constexpr std::size_t kImagesAtOnce = 100;

std::string reference_of(const PushItem& item) {
  return !item.to.tag.empty() ? item.to.tag : item.image.digest.to_string();
}

void check(const PushItem& item) {
  if (item.to.digest && *item.to.digest != item.image.digest)
    throw Error(ErrorCode::usage, concat(item.to.to_string(), " names another digest than the image's, ",
                                         item.image.digest.to_string()))
        .with_hint("push to a tag, or leave the digest out");
}

// A set on its way.
class SetPush {
 public:
  SetPush(RegistrySession& session, BlobPlacer& blobs, std::span<const PushItem> items,
          const PushOptions& options, const std::stop_token& stop)
      : session_(session),
        blobs_(blobs),
        items_(items),
        options_(options),
        group_(stop),
        images_(items.size()) {}

  std::vector<PushOutcome> run() {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      images_[i].outcome.report.image = items_[i].image;
      guarded(i, [&] { images_[i].client = client_of(items_[i].to); });
    }
    for_each(items_.size(), [&](std::size_t i) { guarded(i, [&] { look(i); }); });
    place_blobs();
    put_manifests();
    for_each(items_.size(), [&](std::size_t i) { guarded(i, [&] { put_root(i); }); });
    std::vector<PushOutcome> out;
    for (auto& image : images_) out.push_back(std::move(image.outcome));
    return out;
  }

 private:
  struct Image {
    RegistryClient* client = nullptr;
    std::optional<ImageContents> contents;  // nothing when the destination has the image, or it failed
    PushOutcome outcome;
  };
  // A blob and the images of one registry that want it.
  struct Wanted {
    oci::Descriptor blob;
    std::vector<std::size_t> images;
  };

  RegistryClient* client_of(const oci::Reference& name) {
    auto& client = clients_[{name.registry, name.repository}];
    if (!client)
      client = std::make_unique<RegistryClient>(session_, name, group_.stop(), RegistryClient::Use::write);
    return client.get();
  }

  void for_each(std::size_t count, const std::function<void(std::size_t)>& body) {
    group_.for_each(session_.transfers(), count, body);
  }

  // Runs `body` unless the image has failed; what it throws is the image's failure, or everyone's.
  void guarded(std::size_t image, const std::function<void()>& body) {
    if (failed(image)) return;
    try {
      with_context(concat("while pushing to ", items_[image].to.to_string()), body);
    } catch (...) {
      if (options_.on_failure == PushOptions::OnFailure::stop || group_.stop().stop_requested()) throw;
      const std::scoped_lock lock(mutex_);
      if (!images_[image].outcome.failure) images_[image].outcome.failure = std::current_exception();
    }
  }

  bool failed(std::size_t image) {
    const std::scoped_lock lock(mutex_);
    return images_[image].outcome.failure != nullptr;
  }

  // What the image needs, unless the destination points to it already.
  void look(std::size_t i) {
    const auto& item = items_[i];
    auto& image = images_[i];
    check(item);
    const auto there = image.client->resolve(reference_of(item));
    if (there && there->digest == item.image.digest && is_listed(item, *image.client)) return;
    image.contents = read_contents(*item.from, item.image);
    image.outcome.report.outcome = PushReport::Outcome::pushed;
  }

  // A run that was killed may have stored what refers to something and not listed it. Such things have no
  // tag.
  static bool is_listed(const PushItem& item, RegistryClient& client) {
    if (!item.to.tag.empty()) return true;
    const auto subject = subject_of(item.from->document(item.image));
    return !subject || client.lists_referrer(*subject, item.image.digest);
  }

  void place_blobs() {
    std::map<std::pair<std::string, oci::Digest>, std::size_t> places;
    std::vector<Wanted> wanted;
    for (std::size_t i = 0; i < images_.size(); ++i) {
      if (!images_[i].contents) continue;
      for (const auto& blob : images_[i].contents->blobs) {
        const auto [place, is_new] =
            places.try_emplace({images_[i].client->registry(), blob.digest}, wanted.size());
        if (is_new) wanted.push_back({blob, {}});
        wanted[place->second].images.push_back(i);
      }
    }
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const Wanted& a, const Wanted& b) { return a.blob.size > b.blob.size; });
    for_each(wanted.size(), [&](std::size_t i) {
      for (const auto image : wanted[i].images) guarded(image, [&] { place(image, wanted[i].blob); });
    });
  }

  void place(std::size_t i, const oci::Descriptor& blob) {
    const auto& item = items_[i];
    auto& client = *images_[i].client;
    auto candidates = options_.mount_from;
    if (const auto place = item.from->place(); place && place->registry == client.registry())
      candidates.insert(candidates.begin(), place->repository);
    const auto placed = blobs_.place(
        client, blob, [&] { return item.from->blob(blob); }, candidates);
    const std::scoped_lock lock(mutex_);
    auto& report = images_[i].outcome.report;
    ++(placed.how == PlacedBlob::How::there     ? report.there
       : placed.how == PlacedBlob::How::mounted ? report.mounted
                                                : report.uploaded);
    report.bytes_sent += placed.upload.sent;
    report.bytes_resumed += placed.upload.resumed;
  }

  // The manifests below the roots, side by side.
  void put_manifests() {
    struct Put {
      std::size_t image;
      const Document* document;
    };
    std::vector<Put> puts;
    for (std::size_t i = 0; i < images_.size(); ++i) {
      if (!images_[i].contents) continue;
      const auto& documents = images_[i].contents->documents;
      for (const auto& document : documents)
        if (&document != &documents.back() && oci::media_type::is_manifest(document.descriptor.media_type))
          puts.push_back({i, &document});
    }
    for_each(puts.size(), [&](std::size_t i) {
      const auto image = puts[i].image;
      const auto& document = *puts[i].document;
      guarded(image, [&] { put(image, document, document.descriptor.digest.to_string()); });
    });
  }

  // Indexes one after the other, which are in the right order, then the root.
  void put_root(std::size_t i) {
    if (!images_[i].contents) return;
    const auto& documents = images_[i].contents->documents;
    for (const auto& document : documents)
      if (&document != &documents.back() && oci::media_type::is_index(document.descriptor.media_type))
        put(i, document, document.descriptor.digest.to_string());
    put(i, documents.back(), reference_of(items_[i]));
  }

  void put(std::size_t i, const Document& document, const std::string& reference) {
    images_[i].client->put_manifest(reference, document.bytes, document.descriptor.media_type);
  }

  RegistrySession& session_;
  BlobPlacer& blobs_;
  std::span<const PushItem> items_;
  const PushOptions& options_;
  TaskGroup group_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<RegistryClient>> clients_;
  std::vector<Image> images_;
  std::mutex mutex_;
};

}  // namespace

Pusher::Pusher(RegistrySession& session, EventSink& events, std::stop_token stop, const std::string& step)
    : session_(session), stop_(std::move(stop)), blobs_(events, step, places_of(session)) {}

PushReport Pusher::push(ImageSource& from, const oci::Descriptor& image, const oci::Reference& to,
                        const PushOptions& options) {
  const PushItem item{&from, image, to};
  auto stop_at_once = options;
  stop_at_once.on_failure = PushOptions::OnFailure::stop;
  return SetPush(session_, blobs_, {&item, 1}, stop_at_once, stop_).run().front().report;
}

std::vector<PushOutcome> Pusher::push_all(std::span<const PushItem> items, const PushOptions& options) {
  std::vector<PushOutcome> out;
  for (std::size_t at = 0; at < items.size(); at += kImagesAtOnce) {
    const auto piece = items.subspan(at, std::min(kImagesAtOnce, items.size() - at));
    for (auto& outcome : SetPush(session_, blobs_, piece, options, stop_).run())
      out.push_back(std::move(outcome));
  }
  return out;
}

}  // namespace dash::registry
