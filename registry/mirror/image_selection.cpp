#include "registry/mirror/image_selection.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "registry/mirror/attempt.hpp"
#include "registry/mirror/platform_choice.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

namespace dash::registry {

namespace {

constexpr int kMaxReferrerDepth = 8;
// Suffixes of the tags that cosign gives to what it says about a digest.
constexpr const char* kCosign[] = {".sig", ".att", ".sbom"};

// A repository, and the documents that were made of parts of its own.
class RepositoryImages : public ImageSource {
 public:
  RepositoryImages(RegistrySession& session, const oci::Reference& name, const std::stop_token& stop)
      : client_(session, name, stop), source_(client_) {}

  RegistryClient& client() { return client_; }
  void add(Document document) {
    const std::scoped_lock lock(mutex_);
    made_.insert_or_assign(document.descriptor.digest, std::move(document.bytes));
  }

  std::string document(const oci::Descriptor& descriptor) override {
    {
      const std::scoped_lock lock(mutex_);
      if (const auto found = made_.find(descriptor.digest); found != made_.end()) return found->second;
    }
    return source_.document(descriptor);
  }
  std::unique_ptr<BlobSource> blob(const oci::Descriptor& descriptor) override {
    return source_.blob(descriptor);
  }
  std::optional<oci::Reference> place() const override { return source_.place(); }

 private:
  RegistryClient client_;
  RepositorySource source_;
  std::mutex mutex_;
  std::map<oci::Digest, std::string> made_;
};

struct Repository {
  oci::Reference name;
  std::shared_ptr<RepositoryImages> images;
  bool lists = false;  // the list of its tags is wanted
  std::set<std::string> tags;
  std::exception_ptr failure;  // of listing them
};

// An entry of the list with its repository.
struct Entry {
  const MirrorImage* image;
  oci::Reference source;                      // complete
  std::optional<oci::Reference> destination;  // the repository
  Repository* repository;
};

// One image that an entry chose.
struct Candidate {
  const Entry* entry;
  oci::Reference source;
  std::optional<oci::Descriptor> image;
  std::vector<oci::Digest> subjects;  // whose referrers belong to it
  std::exception_ptr failure;
};

// What refers to one digest.
struct Referring {
  struct Item {
    std::string tag;  // cosign's; empty for a real referrer
    oci::Descriptor image;
  };
  std::vector<Item> items;
  std::exception_ptr failure;
};

std::string reference_of(const oci::Reference& source) {
  return source.digest ? source.digest->to_string() : source.tag;
}

[[noreturn]] void throw_absent(const oci::Reference& source) {
  const auto repository = concat(source.registry, '/', source.repository);
  throw Error(ErrorCode::not_found, concat(repository, " has no ", reference_of(source)))
      .with_hint(concat("'dash-build tags ", repository, "' lists what is there"));
}

Document read_document(RegistryClient& client, const oci::Reference& source) {
  try {
    auto content = client.manifest(reference_of(source));
    return {std::move(content.descriptor), std::move(content.bytes)};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw_absent(source);
  }
}

class Selector {
 public:
  Selector(RegistrySession& session, const MirrorList& list, const std::stop_token& stop)
      : session_(session), list_(list), stop_(stop), lookups_(kLookups) {}

  ImageSelection run() {
    for (const auto& image : list_.images) open(image);
    list_tags();
    for (const auto& entry : entries_) choose(entry);
    lookups_.for_each(candidates_.size(), [&](std::size_t i) {
      attempt(candidates_[i].failure, [&] { look_up(candidates_[i]); });
    });
    read_referrers();
    for (const auto& candidate : candidates_) take(candidate);
    return std::move(out_);
  }

 private:
  using Subject = std::pair<Repository*, oci::Digest>;

  void open(const MirrorImage& image) {
    Entry entry{&image, image.source, std::nullopt, nullptr};
    std::exception_ptr failure;
    attempt(failure, [&] {
      entry.source = session_.hosts().complete(image.source);
      if (image.destination) entry.destination = image.destination->repository_for(entry.source);
      const oci::Reference name{entry.source.registry, entry.source.repository, {}, std::nullopt};
      auto& repository = repositories_[name.to_string()];
      if (!repository.images) {
        repository.name = name;
        repository.images = std::make_shared<RepositoryImages>(session_, name, stop_);
      }
      repository.lists |= wants_many(entry) && image.tags.needs_list();
      repository.lists |= image.referrers == MirrorImage::Referrers::take;
      entry.repository = &repository;
      entries_.push_back(entry);
    });
    if (failure) out_.failures.push_back({entry.source, entry.destination, failure});
  }

  static bool wants_many(const Entry& entry) { return entry.source.tag.empty() && !entry.source.digest; }

  void list_tags() {
    std::vector<Repository*> wanted;
    for (auto& [name, repository] : repositories_)
      if (repository.lists) wanted.push_back(&repository);
    lookups_.for_each(wanted.size(), [&](std::size_t i) {
      auto& repository = *wanted[i];
      attempt(repository.failure, [&] {
        const auto tags = repository.images->client().tags();
        repository.tags.insert(tags.begin(), tags.end());
      });
    });
  }

  void choose(const Entry& entry) {
    const auto& repository = *entry.repository;
    if (repository.failure) out_.failures.push_back({repository.name, entry.destination, repository.failure});
    if (!wants_many(entry)) {
      candidates_.push_back({&entry, entry.source, std::nullopt, {}, nullptr});
      return;
    }
    const auto& filter = entry.image->tags;
    const auto names = filter.names();
    std::set<std::string> tags(names.begin(), names.end());
    if (filter.needs_list())
      for (const auto& tag : repository.tags)
        if (filter.matches(tag)) tags.insert(tag);
    for (const auto& tag : tags) {
      auto source = entry.source;
      source.tag = tag;
      candidates_.push_back({&entry, std::move(source), std::nullopt, {}, nullptr});
    }
    if (repository.failure) return;
    if (tags.empty()) {
      out_.unmatched.push_back({repository.name, entry.destination, entry.image->place});
      return;
    }
    for (const auto& pattern : filter.include)
      if (!pattern.is_name() && std::none_of(tags.begin(), tags.end(),
                                             [&](const std::string& tag) { return pattern.matches(tag); }))
        out_.unmatched_patterns.push_back({repository.name, entry.destination, pattern.text()});
  }

  void look_up(Candidate& candidate) {
    const auto& wanted = *candidate.entry->image;
    auto& images = *candidate.entry->repository->images;
    if (wanted.platforms.empty()) {
      candidate.image = images.client().resolve(reference_of(candidate.source));
      if (!candidate.image) throw_absent(candidate.source);
      if (wanted.referrers == MirrorImage::Referrers::take)
        candidate.subjects = subjects_of(candidate, images);
      return;
    }
    const auto root = read_document(images.client(), candidate.source);
    candidate.image = root.descriptor;
    if (oci::media_type::is_index(root.descriptor.media_type)) {
      auto choice = choose_platforms(root, wanted.platforms, candidate.source.to_string());
      candidate.image = choice.root.descriptor;
      for (const auto& image : choice.images) candidate.subjects.push_back(image.digest);
      if (!choice.root.bytes.empty()) images.add(std::move(choice.root));
    }
    if (candidate.image->digest == root.descriptor.digest)
      candidate.subjects.insert(candidate.subjects.begin(), root.descriptor.digest);
    if (wanted.referrers == MirrorImage::Referrers::leave) candidate.subjects.clear();
  }

  // The image itself, or an index with its images.
  static std::vector<oci::Digest> subjects_of(const Candidate& candidate, RepositoryImages& images) {
    std::vector<oci::Digest> out = {candidate.image->digest};
    if (!oci::media_type::is_index(candidate.image->media_type)) return out;
    const Document index{*candidate.image, images.document(*candidate.image)};
    for (const auto& image : images_of(index, candidate.source.to_string())) out.push_back(image.digest);
    return out;
  }

  // Level by level, each digest once however many images have it.
  void read_referrers() {
    std::set<Subject> next;
    for (const auto& candidate : candidates_)
      for (const auto& digest : candidate.subjects) next.insert({candidate.entry->repository, digest});
    for (int depth = 0; !next.empty(); ++depth) {
      std::vector<std::pair<const Subject, Referring>*> level;
      for (const auto& subject : next) level.push_back(&*referring_.try_emplace(subject).first);
      lookups_.for_each(level.size(), [&](std::size_t i) {
        auto& referring = level[i]->second;
        attempt(referring.failure, [&] { referring.items = referrers_of(level[i]->first, depth); });
      });
      next.clear();
      for (const auto* entry : level)
        for (const auto& item : entry->second.items)
          if (const Subject subject{entry->first.first, item.image.digest}; !referring_.contains(subject))
            next.insert(subject);
    }
  }

  // The list of tags says what need not be asked for.
  static std::vector<Referrer> real_referrers(const Repository& repository, const oci::Digest& digest) {
    auto& client = repository.images->client();
    if (auto out = client.referrers_from_api(digest)) return *std::move(out);
    const bool listed = repository.failure || repository.tags.contains("sha256-" + digest.hex());
    return listed ? client.referrers_from_tag(digest) : std::vector<Referrer>();
  }

  static std::vector<Referring::Item> referrers_of(const Subject& subject, int depth) {
    const auto& [repository, digest] = subject;
    auto& client = repository->images->client();
    std::vector<Referring::Item> out;
    for (auto& referrer : real_referrers(*repository, digest))
      out.push_back({{}, std::move(referrer.descriptor)});
    for (const auto* suffix : kCosign) {
      const auto tag = concat("sha256-", digest.hex(), suffix);
      if (!repository->tags.contains(tag)) continue;
      if (auto found = client.resolve(tag)) out.push_back({tag, *std::move(found)});
    }
    if (!out.empty() && depth == kMaxReferrerDepth)
      throw Error(ErrorCode::unsupported,
                  concat(repository->name.to_string(), '@', digest.to_string(),
                         " refers to what refers to an image, over more than ", kMaxReferrerDepth, " steps"))
          .with_hint("set 'referrers = false' for this image");
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
      return std::tie(a.tag, a.image.digest) < std::tie(b.tag, b.image.digest);
    });
    return out;
  }

  void take(const Candidate& candidate) {
    const auto& entry = *candidate.entry;
    if (candidate.failure) {
      out_.failures.push_back({candidate.source, entry.destination, candidate.failure});
      return;
    }
    std::exception_ptr failure;
    attempt(failure, [&] {
      SelectedImage image{SelectedImage::Role::listed, candidate.source, *candidate.image,
                          entry.repository->images,    std::nullopt,     std::nullopt};
      if (entry.image->destination) image.destination = entry.image->destination->image_for(candidate.source);
      add(std::move(image));
      std::set<oci::Digest> seen(candidate.subjects.begin(), candidate.subjects.end());
      for (const auto& digest : candidate.subjects) take_referrers(entry, digest, seen);
    });
    if (failure) out_.failures.push_back({candidate.source, entry.destination, failure});
  }

  void take_referrers(const Entry& entry, const oci::Digest& subject, std::set<oci::Digest>& seen) {
    const auto& referring = referring_.at({entry.repository, subject});
    auto source = entry.repository->name;
    if (referring.failure) {
      source.digest = subject;
      const auto key =
          concat(source.to_string(), ' ', entry.destination ? entry.destination->to_string() : "");
      if (failed_.insert(key).second) out_.failures.push_back({source, entry.destination, referring.failure});
      return;
    }
    for (const auto& item : referring.items) {
      source.tag = item.tag;
      source.digest = item.tag.empty() ? std::optional(item.image.digest) : std::nullopt;
      auto destination = entry.destination;
      if (destination) destination->tag = item.tag;
      add({SelectedImage::Role::referrer, source, item.image, entry.repository->images, destination,
           item.tag.empty() ? std::optional(subject) : std::nullopt});
      if (seen.insert(item.image.digest).second) take_referrers(entry, item.image.digest, seen);
    }
  }

  void add(SelectedImage image) {
    if (image.destination && image.destination->tag.empty()) image.destination->digest = image.image.digest;
    const auto key = (image.destination ? *image.destination : image.source).to_string();
    const auto [found, is_new] = taken_.try_emplace(key, image.image.digest, image.source.to_string());
    if (!is_new && found->second.first != image.image.digest)
      throw Error(ErrorCode::invalid_input, concat(key, " is the destination of both ", found->second.second,
                                                   " and ", image.source.to_string()))
          .with_hint("give one of them another 'destination', or leave it out with 'exclude'");
    if (is_new) out_.images.push_back(std::move(image));
  }

  RegistrySession& session_;
  const MirrorList& list_;
  const std::stop_token& stop_;
  ThreadPool lookups_;
  std::map<std::string, Repository> repositories_;
  std::list<Entry> entries_;
  std::vector<Candidate> candidates_;
  std::map<Subject, Referring> referring_;
  std::map<std::string, std::pair<oci::Digest, std::string>> taken_;
  std::set<std::string> failed_;
  ImageSelection out_;
};

}  // namespace

std::string describe(const UnmatchedEntry& entry) {
  return concat(entry.place, entry.place.empty() ? "" : ": ", "no tag of ", entry.source.to_string(),
                " matches");
}

ImageSelection select_images(RegistrySession& session, const MirrorList& list, const std::stop_token& stop) {
  return Selector(session, list, stop).run();
}

}  // namespace dash::registry
