#include "registry/bundle/import_bundle.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "oci/tar_writer.hpp"
#include "registry/bundle/passing_blob.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace dash::registry {

namespace {

constexpr std::uint64_t kMaxStreamedDocuments = std::uint64_t{256} << 20;
constexpr std::size_t kMissingShown = 5;

// "a/b" lies below "a" and "a/b", not below "a/bc".
bool lies_below(std::string_view name, std::string_view top) {
  return name == top || (name.starts_with(top) && name[top.size()] == '/');
}

std::string full_repository(const oci::Reference& name) {
  return name.registry.empty() ? name.repository : concat(name.registry, '/', name.repository);
}

// What the destination has, and who may be asked for it.
class Destination {
 public:
  Destination(RegistrySession& session, const ImportTarget& target, std::stop_token stop)
      : session_(session), target_(target), stop_(std::move(stop)) {}

  RegistryClient& client(const oci::Reference& name) {
    const std::scoped_lock lock(mutex_);
    auto& out = clients_[name.repository];
    if (!out) out = std::make_unique<RegistryClient>(session_, name, stop_, RegistryClient::Use::write);
    return *out;
  }
  RegistryClient& client_of(const std::string& bundled) { return client(target_.name_of(bundled)); }

 private:
  RegistrySession& session_;
  const ImportTarget& target_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<RegistryClient>> clients_;
};

// The images of a bundle as an import needs them: blobs that the bundle leaves out come from the destination
// itself.
class ImportSource : public ImageSource {
 public:
  void note(const oci::Digest& blob, RegistryClient& at) { at_.emplace(blob, &at); }

  std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) override {
    const auto found = at_.find(descriptor.digest);
    if (found == at_.end())
      throw Error(ErrorCode::corrupt, concat("the bundle lacks the blob ", descriptor.digest.to_string()));
    return found->second->blob(descriptor);
  }

 private:
  std::map<oci::Digest, RegistryClient*> at_;
};

class FileImportSource : public ImportSource {
 public:
  explicit FileImportSource(const BundleReader& bundle) : bundle_(bundle), source_(bundle) {}
  std::string document(const oci::Descriptor& descriptor) override { return source_.document(descriptor); }
  std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) override {
    return bundle_.has(descriptor.digest) ? source_.blob(descriptor) : ImportSource::blob(descriptor);
  }

 private:
  const BundleReader& bundle_;
  BundleSource source_;
};

// Its documents are kept, its blobs have passed by.
class StreamImportSource : public ImportSource {
 public:
  void keep(const oci::Digest& digest, std::string document) {
    documents_.emplace(digest, std::move(document));
  }
  std::string document(const oci::Descriptor& descriptor) override {
    const auto found = documents_.find(descriptor.digest);
    if (found == documents_.end())
      throw Error(ErrorCode::corrupt,
                  concat("the bundle lacks the manifest ", descriptor.digest.to_string()));
    return found->second;
  }

 private:
  std::unordered_map<oci::Digest, std::string> documents_;
};

class Import {
 public:
  Import(RegistrySession& session, const BundleIndex& index, const ImportTarget& target, EventSink& events,
         const std::stop_token& stop)
      : session_(session),
        index_(index),
        target_(target),
        stop_(stop),
        destination_(session, target, stop),
        pusher_(session, events, stop, "import") {
    std::map<std::string, const BundledImage*> taken;
    std::vector<std::string> all;
    for (const auto* list : {&index.images, &index.required.images})
      for (const auto& image : *list) all.push_back(image.name);
    target.check_rules(all);
    for (const auto& image : index.images) {
      names_.push_back(name_of(image));
      const auto [other, is_new] = taken.emplace(names_.back().to_string(), &image);
      if (!is_new && other->second->image.digest != image.image.digest)
        throw Error(ErrorCode::usage, concat(other->second->name, " and ", image.name, " would both become ",
                                             names_.back().to_string()))
            .with_hint("tell them apart with --map FROM=TO; nothing was written");
    }
  }

  void from_file(const BundleReader& bundle) {
    FileImportSource source(bundle);
    check_required(source, needed(source));
    push(source);
  }

  void from_stream(Source& in, const std::string& name) {
    const BundlePlan plan(index_);
    std::uint64_t documents_size = 0;
    for (const auto& entry : index_.documents) documents_size += entry.blob.size;
    if (documents_size > kMaxStreamedDocuments)
      throw Error(ErrorCode::unsupported, concat(name, " has ", human_size(documents_size), " of manifests"))
          .with_hint("import the bundle from a file");
    StreamImportSource source;
    std::size_t next = 0;
    for (; next < index_.documents.size(); ++next) {
      const auto& planned = plan.blobs()[next];
      auto blob = enter(in, planned, name);
      const auto& digest = planned.blob.digest;
      source.keep(digest, read_all(*blob, oci::kMaxDocumentSize, digest.to_string()));
      leave(in, *blob, planned, name);
    }
    const auto wanted = needed(source);
    check_required(source, wanted);
    const auto present = present_images();
    for (; next < plan.blobs().size(); ++next) {
      const auto& planned = plan.blobs()[next];
      auto blob = enter(in, planned, name);
      const auto found = wanted.find(planned.blob.digest);
      if (found != wanted.end()) pass(*blob, planned.blob, found->second, present, source);
      leave(in, *blob, planned, name);
    }
    check_end(in, name);
    push(source);
  }

  ImportReport report() const { return report_; }

 private:
  using Wanted = std::map<oci::Digest, std::vector<std::size_t>>;  // images by the blobs they need

  oci::Reference name_of(const BundledImage& image) const { return target_.name_of(image.name); }

  Wanted needed(ImportSource& source) {
    Wanted out;
    std::set<oci::Digest> known;
    for (const auto& entry : index_.inventory().blobs) known.insert(entry.blob.digest);
    for (std::size_t i = 0; i < index_.images.size(); ++i) {
      for (const auto& blob : read_contents(source, index_.images[i].image).blobs) {
        if (!known.contains(blob.digest))
          throw Error(ErrorCode::corrupt,
                      concat("the bundle lacks ", blob.digest.to_string(), ", which ", index_.images[i].name,
                             " needs, and does not say that the destination has it"))
              .with_hint("export it anew; nothing was written");
        out[blob.digest].push_back(i);
      }
    }
    return out;
  }

  // Finds what the bundle leaves out, and lets the pusher know where it is.
  void check_required(ImportSource& source, const Wanted& wanted) {
    struct Required {
      const BundledImage* image = nullptr;
      const BundledBlob* blob = nullptr;
    };
    std::vector<Required> all;
    for (const auto& image : index_.required.images) all.push_back({&image, nullptr});
    for (const auto& blob : index_.required.blobs)
      if (wanted.contains(blob.blob.digest)) all.push_back({nullptr, &blob});
    std::vector<std::string> missing(all.size());
    std::mutex mutex;
    TaskGroup(stop_).for_each(session_.transfers(), all.size(), [&](std::size_t i) {
      if (all[i].image != nullptr) {
        const auto name = name_of(*all[i].image);
        if (!destination_.client(name).resolve(all[i].image->image.digest.to_string()))
          missing[i] =
              concat("image ", all[i].image->name, " (", all[i].image->image.digest.to_string(), ')');
        return;
      }
      const auto& blob = *all[i].blob;
      for (const auto& repository : blob.repositories) {
        auto& client = destination_.client_of(repository);
        if (!client.has_blob(blob.blob)) continue;
        const std::scoped_lock lock(mutex);
        pusher_.blobs().note(client.registry(), client.repository(), blob.blob.digest);
        source.note(blob.blob.digest, client);
        return;
      }
      missing[i] = concat("blob ", blob.blob.digest.to_string(), " (", join(blob.repositories, ", "), ')');
    });
    std::erase(missing, std::string());
    report_.unchanged = index_.required.images.size();
    if (missing.empty()) return;
    const auto count = missing.size();
    if (count > kMissingShown) {
      missing.resize(kMissingShown);
      missing.push_back(concat("and ", count - kMissingShown, " more"));
    }
    throw Error(ErrorCode::not_found, concat(target_.registry(), " lacks ", count, " of the ", all.size(),
                                             " things that this bundle leaves out: ", join(missing, "; ")))
        .with_hint("import the bundle that this one was made against first; nothing was written");
  }

  std::vector<bool> present_images() {
    std::vector<char> there(names_.size());
    TaskGroup(stop_).for_each(session_.transfers(), names_.size(), [&](std::size_t i) {
      const auto& digest = index_.images[i].image.digest;
      const auto found =
          destination_.client(names_[i]).resolve(names_[i].tag.empty() ? digest.to_string() : names_[i].tag);
      there[i] = found && found->digest == digest ? 1 : 0;
    });
    return {there.begin(), there.end()};
  }

  // One blob of a stream to the first repository that needs it; the others mount it from there.
  void pass(PassingBlob& blob, const oci::Descriptor& descriptor, const std::vector<std::size_t>& images,
            const std::vector<bool>& present, ImportSource& source) {
    for (const auto image : images) {
      if (present[image]) continue;
      auto& client = destination_.client(names_[image]);
      const auto placed = pusher_.blobs().place(client, descriptor, [&] { return blob.borrow(); });
      count(placed);
      source.note(descriptor.digest, client);
      return;
    }
  }

  void count(const PlacedBlob& placed) {
    if (placed.how == PlacedBlob::How::uploaded) ++report_.uploaded;
    if (placed.how == PlacedBlob::How::mounted) ++report_.mounted;
    report_.bytes_sent += placed.upload.sent;
    report_.bytes_resumed += placed.upload.resumed;
  }

  void push(ImportSource& source) {
    std::vector<PushItem> items;
    for (std::size_t i = 0; i < names_.size(); ++i)
      items.push_back({&source, index_.images[i].image, names_[i]});
    for (const auto& outcome : pusher_.push_all(items)) {
      const auto& pushed = outcome.report;
      ++(pushed.outcome == PushReport::Outcome::present ? report_.present : report_.images);
      report_.uploaded += pushed.uploaded;
      report_.mounted += pushed.mounted;
      report_.bytes_sent += pushed.bytes_sent;
      report_.bytes_resumed += pushed.bytes_resumed;
    }
    for (const auto& image : index_.required.images) keep_tag(image);
  }

  // An image that the bundle did not bring gets its tag back, where that was moved or removed.
  void keep_tag(const BundledImage& image) {
    const auto name = name_of(image);
    if (name.tag.empty()) return;
    auto& client = destination_.client(name);
    const auto there = client.resolve(name.tag);
    if (there && there->digest == image.image.digest) return;
    const auto content = client.manifest(image.image.digest.to_string());
    client.put_manifest(name.tag, content.bytes, content.descriptor.media_type);
    --report_.unchanged;
    ++report_.images;
  }

  std::unique_ptr<PassingBlob> enter(Source& in, const PlannedBlob& planned, const std::string& name) {
    std::string header(planned.header.size(), '\0');
    read_fully(in, std::as_writable_bytes(std::span(header)), name);
    if (header != planned.header)
      throw Error(ErrorCode::corrupt, concat(name, " is damaged before ", planned.blob.digest.to_string()))
          .with_hint("copy the bundle again; the import continues where it stopped");
    return std::make_unique<PassingBlob>(in, planned.blob,
                                         concat(planned.blob.digest.to_string(), " in ", name),
                                         session_.settings().chunk_size);
  }

  // Reads what is left of the blob, and the zeros behind it.
  static void leave(Source& in, PassingBlob& blob, const PlannedBlob& planned, const std::string& name) {
    blob.drain();
    std::string zeros(oci::tar_padding(planned.blob.size), '\0');
    read_fully(in, std::as_writable_bytes(std::span(zeros)), name);
  }

  static void check_end(Source& in, const std::string& name) {
    std::string end(oci::kTarEnd, '\0');
    read_fully(in, std::as_writable_bytes(std::span(end)), name);
    const bool zeros = end.find_first_not_of('\0') == std::string::npos;
    if (!zeros || in.read(std::as_writable_bytes(std::span(end))) != 0)
      throw Error(ErrorCode::corrupt, concat(name, " goes on behind the end of the bundle"))
          .with_hint("send the bundle alone, its parts in order; no tag was set");
  }

  static void read_fully(Source& in, MutableBytes buffer, const std::string& name) {
    while (!buffer.empty()) {
      const auto count = in.read(buffer);
      if (count == 0)
        throw Error(ErrorCode::corrupt, concat(name, " ends too early"))
            .with_hint("send all of it; the import continues where it stopped");
      buffer = buffer.subspan(count);
    }
  }

  RegistrySession& session_;
  const BundleIndex& index_;
  const ImportTarget& target_;
  std::stop_token stop_;
  Destination destination_;
  Pusher pusher_;
  std::vector<oci::Reference> names_;  // of index_.images
  ImportReport report_;
};

}  // namespace

ImportTarget::ImportTarget(std::string_view destination, const std::vector<std::string>& rules)
    : place_(RegistryPlace::parse(destination)) {
  for (const auto& rule : rules) {
    const auto equals = rule.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(ErrorCode::usage, concat("--map ", dash::quoted(rule), " is not FROM=TO"))
          .with_hint("for example --map registry.example/team=platform");
    auto from = rule.substr(0, equals);
    auto to = rule.substr(equals + 1);
    for (auto* side : {&from, &to})
      if (side->ends_with('/')) side->pop_back();
    rules_.emplace_back(std::move(from), std::move(to));
  }
  std::stable_sort(rules_.begin(), rules_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

oci::Reference ImportTarget::name_of(const std::string& bundled) const {
  auto source = oci::Reference::parse(bundled);
  const auto full = full_repository(source);
  auto repository = source.repository;
  for (const auto& [from, to] : rules_) {
    if (!lies_below(full, from)) continue;
    const auto rest = full.substr(std::min(full.size(), from.size() + 1));
    repository = to.empty() ? rest : rest.empty() ? to : concat(to, '/', rest);
    break;
  }
  source.registry = place_.registry;
  source.repository = place_.prefix + repository;
  return oci::Reference::parse(source.to_string());
}

void ImportTarget::check_rules(const std::vector<std::string>& bundled) const {
  for (const auto& [from, to] : rules_) {
    const auto concerned = [&from = from](const std::string& name) {
      return lies_below(full_repository(oci::Reference::parse(name)), from);
    };
    if (std::none_of(bundled.begin(), bundled.end(), concerned))
      throw Error(ErrorCode::usage, concat("--map ", from, '=', to, " concerns no image of the bundle"))
          .with_hint("'dash-build mirror inventory BUNDLE' lists the names; nothing was written");
  }
}

ImportReport import_bundle(RegistrySession& session, const BundleReader& bundle, const ImportTarget& target,
                           EventSink& events, const std::stop_token& stop) {
  Import import(session, bundle.index(), target, events, stop);
  import.from_file(bundle);
  return import.report();
}

ImportReport import_stream(RegistrySession& session, Source& in, const std::string& name,
                           const ImportTarget& target, EventSink& events, const std::stop_token& stop) {
  const auto index = read_bundle_front(in, name);
  Import import(session, index, target, events, stop);
  import.from_stream(in, name);
  return import.report();
}

}  // namespace dash::registry
