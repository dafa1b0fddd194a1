#include "registry/mirror/mirror_sync.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "registry/mirror/attempt.hpp"

#include <algorithm>
#include <chrono>
#include <map>

namespace dash::registry {

namespace {

constexpr const char* kSources = "sources";
constexpr const char* kCopy = "copy";
constexpr const char* kPrune = "prune";

void check_destinations(const MirrorList& list) {
  for (const auto& image : list.images)
    if (!image.destination)
      throw Error(ErrorCode::invalid_input, concat(image.place, image.place.empty() ? "" : ": ",
                                                   image.source.to_string(), " has no destination"))
          .with_hint(
              "add destination = \"mirror.example:5000/{repository}\" to the image, or before the first "
              "[[image]] for all");
}

// Tells a step's begin and, when all went well, its end.
template <class Body>
void run_step(EventSink& events, const std::string& name, Decision decision, Body&& body) {
  const auto start = std::chrono::steady_clock::now();
  events.emit(StepStarted{name});
  body();
  events.emit(StepFinished{name, decision, std::chrono::steady_clock::now() - start});
}

class Sync {
 public:
  Sync(RegistrySession& session, const MirrorList& list, EventSink& events, const std::stop_token& stop,
       const SyncOptions& options)
      : session_(session), list_(list), events_(events), stop_(stop), options_(options) {}

  SyncReport run() {
    run_step(events_, kSources, Decision::fetch, [&] { find(); });
    copy();
    if (list_.prune == MirrorList::Prune::yes) run_step(events_, kPrune, Decision::build, [&] { prune(); });
    for (const auto& failure : selection_.failures) add(failure);
    report_.unmatched = std::move(selection_.unmatched);
    return std::move(report_);
  }

 private:
  // What is meant, and what of that the destinations have.
  void find() {
    selection_ = select_images(session_, list_, stop_);
    for (const auto& failure : selection_.failures) stop_at(failure.failure);
    for (const auto& entry : selection_.unmatched) events_.emit(Warning{kSources, describe(entry)});
    for (const auto& image : selection_.images) {
      auto& synced = report_.images.emplace_back();
      synced.role = image.role;
      synced.source = image.source;
      synced.destination = image.destination;
      synced.digest = image.image.digest;
    }
    open_destinations();
    ThreadPool lookups(kLookups);
    lookups.for_each(report_.images.size(), [&](std::size_t i) { look(i); });
    for (const auto& image : report_.images) stop_at(image.failure);
  }

  void open_destinations() {
    for (auto& image : report_.images) {
      auto& client = destinations_[{image.destination->registry, image.destination->repository}];
      attempt(image.failure, [&] {
        if (!client)
          client = std::make_unique<RegistryClient>(session_, *image.destination, stop_,
                                                    RegistryClient::Use::write);
      });
    }
  }

  void look(std::size_t i) {
    auto& image = report_.images[i];
    if (image.failure) return;
    attempt(image.failure, [&] {
      const auto& name = *image.destination;
      auto& client = *destinations_.at({name.registry, name.repository});
      const auto there = client.resolve(name.tag.empty() ? name.digest->to_string() : name.tag);
      const bool same = there && there->digest == *image.digest;
      if (there && !same) image.replaced = there->digest;
      const auto& subject = selection_.images[i].subject;
      const bool found = same && (!subject || client.lists_referrer(*subject, *image.digest));
      image.outcome = found ? SyncedImage::Outcome::present : SyncedImage::Outcome::copied;
    });
  }

  void copy() {
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < report_.images.size(); ++i)
      if (!report_.images[i].failure && report_.images[i].outcome == SyncedImage::Outcome::copied)
        wanted.push_back(i);
    const bool all_there = wanted.empty();
    const auto count = report_.images.size();
    events_.emit(StepPlanned{
        kCopy, all_there ? Decision::reuse : Decision::fetch,
        all_there
            ? count == 1 ? std::string("the image is there") : concat("all ", count, " images are there")
            : concat(wanted.size(), " of ", count, count == 1 ? " image is" : " images are",
                     " new or changed")});
    if (all_there || options_.mode == SyncMode::show) return;
    run_step(events_, kCopy, Decision::fetch, [&] { push(wanted); });
  }

  void push(const std::vector<std::size_t>& wanted) {
    std::vector<PushItem> items;
    for (const auto i : wanted) {
      const auto& image = selection_.images[i];
      items.push_back({image.from.get(), image.image, *image.destination});
    }
    PushOptions options;
    options.on_failure = options_.on_failure;
    const auto outcomes = Pusher(session_, events_, stop_, kCopy).push_all(items, options);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      report_.images[wanted[i]].transfer = outcomes[i].report;
      report_.images[wanted[i]].failure = outcomes[i].failure;
    }
  }

  void prune() {
    std::vector<SelectionFailure> failures;
    for (const auto& image : report_.images)
      if (image.failure) failures.push_back({image.source, image.destination, image.failure});
    auto done = prune_destinations(session_, selection_, failures, options_.mode, stop_);
    for (const auto& tag : done.pruned) stop_at(tag.failure);
    for (const auto& repository : done.unpruned)
      events_.emit(Warning{
          kPrune, concat(repository.repository.to_string(), " is left as it is: ", repository.reason)});
    report_.pruned = std::move(done.pruned);
    report_.unpruned = std::move(done.unpruned);
  }

  void add(const SelectionFailure& failure) {
    auto& image = report_.images.emplace_back();
    image.source = failure.source;
    image.destination = failure.destination;
    image.failure = failure.failure;
  }

  void stop_at(const std::exception_ptr& failure) const {
    if (failure && options_.on_failure == PushOptions::OnFailure::stop) std::rethrow_exception(failure);
  }

  RegistrySession& session_;
  const MirrorList& list_;
  EventSink& events_;
  const std::stop_token& stop_;
  const SyncOptions& options_;
  ImageSelection selection_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<RegistryClient>> destinations_;
  SyncReport report_;
};

}  // namespace

bool SyncReport::failed() const {
  return std::any_of(images.begin(), images.end(),
                     [](const auto& image) { return image.failure != nullptr; }) ||
         std::any_of(pruned.begin(), pruned.end(), [](const auto& tag) { return tag.failure != nullptr; });
}

SyncReport sync_mirror(RegistrySession& session, const MirrorList& list, EventSink& events,
                       const std::stop_token& stop, const SyncOptions& options) {
  check_destinations(list);
  auto report = Sync(session, list, events, stop, options).run();
  for (auto& image : report.images)
    if (image.failure) image.outcome = SyncedImage::Outcome::failed;
  return report;
}

}  // namespace dash::registry
