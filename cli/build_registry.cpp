#include "cli/build_registry.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/text.hpp"
#include "cli/push_summary.hpp"
#include "cli/registry_access.hpp"
#include "oci/image_copy.hpp"
#include "oci/overlay_store.hpp"
#include "registry/blob_fetch.hpp"
#include "registry/blob_progress.hpp"
#include "registry/image_source.hpp"
#include "registry/pusher.hpp"
#include "registry/registry_client.hpp"
#include "registry/registry_error.hpp"
#include "registry/repository_store.hpp"

#include <algorithm>
#include <chrono>

namespace dash::cli {

namespace {

constexpr const char* kFetch = "fetch";  // names in events
constexpr const char* kPush = "push";
constexpr std::uint64_t kMaxDocument = std::uint64_t{64} << 20;

// An image of the store whose layers may be in registries.
class BuiltImage : public registry::ImageSource {
 public:
  using ClientOf = std::function<registry::RegistryClient&(const oci::Reference&)>;
  BuiltImage(const builder::Store& store, ClientOf client_of)
      : store_(store), here_(store.layout()), client_of_(std::move(client_of)) {}

  std::string document(const oci::Descriptor& descriptor) override { return here_.document(descriptor); }
  std::unique_ptr<registry::BlobSource> blob(const oci::Descriptor& descriptor) override {
    const auto place = store_.layers().place_of(descriptor.digest);
    return place ? client_of_(*place).blob(descriptor) : here_.blob(descriptor);
  }

 private:
  const builder::Store& store_;
  registry::StoreSource here_;
  ClientOf client_of_;
};

}  // namespace

std::vector<oci::Reference> parse_remote_names(const std::string& option,
                                               const std::vector<std::string>& texts) {
  std::vector<oci::Reference> out;
  for (const auto& text : texts) {
    out.push_back(oci::Reference::parse(oci::without_transport(text)).with_default_tag());
    if (out.back().registry.empty())
      throw Error(ErrorCode::usage, concat(option, ' ', dash::quoted(text), " names no registry"))
          .with_hint(concat("write it in full: REGISTRY/", oci::without_transport(text)));
  }
  return out;
}

BuildRegistry::BuildRegistry(registry::RegistrySettings settings, EventSink& events, std::stop_token stop)
    : settings_(std::move(settings)), events_(events), stop_(std::move(stop)) {}

BuildRegistry::~BuildRegistry() = default;

registry::RegistrySession& BuildRegistry::session() {
  if (!session_) session_ = std::make_unique<registry::RegistrySession>(settings_);
  return *session_;
}

registry::RegistryClient& BuildRegistry::client(const oci::Reference& name) {
  const std::scoped_lock lock(mutex_);
  auto& client = clients_[{name.registry, name.repository}];
  if (!client) client = std::make_unique<registry::RegistryClient>(session(), name, stop_);
  return *client;
}

std::optional<builder::ImageRegistry::Document> BuildRegistry::manifest(const oci::Reference& name,
                                                                        const oci::Platform& platform) {
  auto& from = client(name);
  try {
    auto found = from.manifest(name.digest ? name.digest->to_string() : name.tag);
    if (!oci::media_type::is_index(found.descriptor.media_type))
      return Document{std::move(found.descriptor), std::move(found.bytes)};
    // The registry does not know that the index was just read; it is asked for one entry of it only.
    oci::OverlayStore store(std::make_unique<registry::RepositoryStore>(from));
    const auto index = store.add(std::move(found.bytes), found.descriptor.media_type);
    auto chosen = oci::resolve_manifest(store, index, platform);
    auto bytes = store.read(chosen, oci::kMaxDocumentSize);
    return Document{std::move(chosen), std::move(bytes)};
  } catch (const registry::RegistryError& error) {
    if (error.status() == 404) return std::nullopt;
    throw;
  }
}

std::string BuildRegistry::read(const oci::Descriptor& blob, const oci::Reference& from) {
  return registry::RepositoryStore(client(from)).read(blob, kMaxDocument);
}

void BuildRegistry::fetch(const std::vector<oci::Descriptor>& blobs, const oci::Reference& from,
                          oci::ImageLayout& to) {
  auto wanted = blobs;
  std::ranges::stable_sort(wanted, std::greater(), &oci::Descriptor::size);
  auto& source = client(from);
  TaskGroup group(stop_);
  group.for_each(source.session().transfers(), wanted.size(), [&](std::size_t i) {
    if (to.contains(wanted[i].digest)) return;
    registry::BlobProgress progress(events_, kFetch, wanted[i]);
    registry::fetch_blob(source, wanted[i], to.blob_path(wanted[i].digest), progress);
  });
}

void BuildRegistry::push(builder::Store& store, const oci::Descriptor& image,
                         const std::vector<oci::Reference>& targets) {
  if (targets.empty()) return;
  BuiltImage source(store,
                    [this](const oci::Reference& name) -> registry::RegistryClient& { return client(name); });
  registry::Pusher pusher(client(targets.front()).session(), events_, stop_, kPush);
  // A repository whose manifest names a layer has it.
  const auto manifest =
      oci::Manifest::parse(store.layout().read(image, oci::kMaxDocumentSize), "what is pushed");
  for (const auto& layer : manifest.layers)
    if (const auto place = store.layers().place_of(layer.digest))
      pusher.blobs().note(place->registry, place->repository, layer.digest);
  for (const auto& target : targets) {
    events_.emit(StepStarted{kPush});
    const auto start = std::chrono::steady_clock::now();
    const auto report = pusher.push(source, image, target);
    events_.emit(StepLog{kPush, concat(target.to_string(), ": ", push_summary(report))});
    events_.emit(StepFinished{kPush, Decision::build, std::chrono::steady_clock::now() - start});
  }
}

}  // namespace dash::cli
