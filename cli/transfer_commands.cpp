// `push`, `pull` and `copy`: images to, from and between registries.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/store.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/push_summary.hpp"
#include "cli/registry_access.hpp"
#include "cli/renderers.hpp"
#include "cli/wording.hpp"
#include "oci/docker_archive.hpp"
#include "oci/image_archive.hpp"
#include "oci/image_location.hpp"
#include "oci/reference.hpp"
#include "registry/puller.hpp"
#include "registry/pusher.hpp"
#include "registry/repository_store.hpp"

#include <iostream>
#include <memory>
#include <optional>

namespace dash::cli {

namespace {

// "all" is nothing: everything.
std::optional<oci::Platform> wanted_platform(const std::string& text, const builder::HostSettings& host) {
  if (text == "all") return std::nullopt;
  return text.empty() ? host_platform(host) : parse_platform(text);
}

void copy_local(const LocalImage& from, oci::ImageLayout& to, const std::string& name,
                const std::stop_token& stop) {
  const auto lease = to.lease();
  oci::copy_content(*from.store, from.image, to, stop);
  to.tag(name, from.image);
}

oci::Reference parse_remote(std::string_view text) {
  return oci::Reference::parse(oci::without_transport(text)).with_default_tag();
}

// A name that an image gets in the store.
oci::Reference parse_name(std::string_view option, const std::string& text) {
  auto out = oci::Reference::parse(text).with_default_tag();
  if (out.digest)
    throw Error(ErrorCode::usage, concat(option, ' ', dash::quoted(text), " is a name with a digest"))
        .with_hint("give a tag: the digest is the image's own");
  return out;
}

void print(Progress progress, const oci::Reference& to, const registry::PushReport& report) {
  if (progress == Progress::quiet) {
    std::cout << report.image.digest.to_string() << '\n';
    return;
  }
  std::cout << to.to_string() << '\n'
            << report.image.digest.to_string() << '\n'
            << push_summary(report) << '\n';
}

void print(Progress progress, const std::string& to, const registry::PullReport& report) {
  if (progress == Progress::quiet) {
    std::cout << report.image.digest.to_string() << '\n';
    return;
  }
  std::cout << to << '\n'
            << report.image.digest.to_string() << '\n'
            << counted(report.fetched, "blob") << " fetched (" << human_size(report.bytes_received) << "), "
            << report.there << " already there\n";
}

class Transfers {
 public:
  Transfers(const CommonOptions& common, const RegistryOptions& options, Progress progress,
            std::stop_token stop)
      : host_(read_host_settings(common)),
        common_(common),
        options_(options),
        progress_(progress),
        events_(make_renderer(progress, host_.variables)),
        stop_(std::move(stop)) {}

  const builder::HostSettings& host() const { return host_; }

  void push(const std::string& from, oci::Reference to, const std::string& platform) {
    auto& session = open({}, to.registry);
    to = session.hosts().complete(to);
    const auto image = open_chosen(from, platform);
    registry::StoreSource source(*image.store);
    print(progress_, to, registry::Pusher(session, *events_, stop_).push(source, image.image, to));
  }

  // What `from` names, or the image for a platform ("all" for everything) out of it.
  LocalImage open_chosen(const std::string& from, const std::string& platform) const {
    auto out = open_local(from, common_.home, host_);
    const auto wanted = wanted_platform(platform, host_);
    if (!wanted) return out;
    oci::require_platform(*out.store, out.image, *wanted, from);
    out.image = oci::resolve_manifest(*out.store, out.image, *wanted);
    return out;
  }

  // `shown` is what is printed of where the image is now.
  void pull(oci::Reference from, oci::ImageLayout& to, const std::string& name, const std::string& platform,
            const std::string& shown) {
    auto& session = open(from.registry, {});
    from = session.hosts().complete(from);
    registry::PullOptions options;
    options.platform = wanted_platform(platform, host_);
    options.name = name;
    if (!platform.empty()) options.other_platform = registry::PullOptions::OtherPlatform::refuse;
    const auto report = registry::Puller(session, *events_, stop_).pull(from, to, options);
    if (options.platform && platform.empty()) warn_of_other_platform(to, report.image, from.to_string());
    print(progress_, shown, report);
  }

  void copy(oci::Reference from, oci::Reference to, const std::string& platform) {
    auto& session = open(from.registry, to.registry);
    from = session.hosts().complete(from);
    to = session.hosts().complete(to);
    registry::RegistryClient client(session, from, stop_);
    registry::RepositorySource source(client);
    auto image = client.manifest(reference_of(from)).descriptor;
    if (const auto wanted = wanted_platform(platform, host_)) {
      oci::require_platform(registry::RepositoryStore(client), image, *wanted, from.to_string());
      if (oci::media_type::is_index(image.media_type))
        image = oci::pick_image(oci::Index::parse(source.document(image), from.to_string()), {}, *wanted,
                                from.to_string());
    }
    print(progress_, to, registry::Pusher(session, *events_, stop_).push(source, image, to));
  }

 private:
  registry::RegistrySession& open(const std::string& from, const std::string& to) {
    auto options = options_;
    const bool pushes = from.empty();
    session_ = std::make_unique<registry::RegistrySession>(
        registry_settings(options, host_, common_.home, pushes ? to : from, to));
    return *session_;
  }

  static std::string reference_of(const oci::Reference& name) {
    return name.digest ? name.digest->to_string() : name.tag;
  }

  void warn_of_other_platform(const oci::ImageLayout& store, const oci::Descriptor& image,
                              const std::string& name) const {
    try {
      oci::require_platform(store, image, host_platform(host_), name);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::not_found) throw;
      events_->emit(Warning{"pull", concat(error.message(), ", which was taken")});
    }
  }

  builder::HostSettings host_;
  const CommonOptions& common_;
  const RegistryOptions& options_;
  Progress progress_;
  std::unique_ptr<EventSink> events_;
  std::stop_token stop_;
  std::unique_ptr<registry::RegistrySession> session_;
};

// Archives hold one image: the one that is asked for, else this host's.
void write_archive(const Transfers& transfers, const LocalImage& image, const oci::ImageLocation& to,
                   const std::stop_token& stop) {
  const auto host = host_platform(transfers.host());
  if (to.kind == oci::ImageLocation::Kind::docker_archive)
    oci::export_docker_archive(*image.store, image.image, to.tag, to.path, host, stop);
  else
    oci::export_archive(*image.store, image.image, to.tag, to.path, host, stop);
}

// The blobs arrive side by side and in any order, and an archive has them one after the other: they wait in a
// place of their own in the store.
void pull_into_archive(Transfers& transfers, const CopyOptions& options, const oci::ImageLocation& to,
                       const std::stop_token& stop) {
  const builder::Store store(store_home(options.common.home, transfers.host().variables));
  const auto work = store.work_directory();
  auto layout = std::make_unique<oci::ImageLayout>(oci::ImageLayout::open_or_create(work.path() / "image"));
  constexpr const char* kName = "copied";
  transfers.pull(parse_remote(options.from), *layout, kName,
                 options.platform == "all" ? "" : options.platform, to.to_string());
  const auto image = layout->find(kName);
  write_archive(transfers, {std::move(layout), image.value()}, to, stop);
}

void copy_into_store(Transfers& transfers, const CopyOptions& options, const std::stop_token& stop) {
  const auto name = parse_name("TO", options.to);
  if (!name.registry.empty())
    throw Error(ErrorCode::usage,
                concat(dash::quoted(options.to),
                       " looks like a place in a registry, but without docker:// it is a name "
                       "in the store; nothing was copied"))
        .with_hint(concat("docker://", options.to,
                          " sends the image there; in the store, use a name without "
                          "a registry"));
  builder::Store store(store_home(options.common.home, transfers.host().variables));
  if (options.from.starts_with(oci::kRegistryTransport))
    transfers.pull(parse_remote(options.from), store.layout(), name.to_string(), options.platform,
                   name.to_string());
  else
    copy_local(transfers.open_chosen(options.from, options.platform), store.layout(), name.to_string(), stop);
}

}  // namespace

int run_command(const PushOptions& options, std::stop_token stop) {
  const auto& destination = options.destination.empty() ? options.image : options.destination;
  if (options.destination.empty() &&
      oci::ImageLocation::parse(options.image).kind != oci::ImageLocation::Kind::name)
    throw Error(ErrorCode::usage, concat("push ", options.image, " does not say where to"))
        .with_hint(concat("dash-build push ", options.image, " REGISTRY/REPOSITORY[:TAG]"));
  Transfers(options.common, options.registry, options.progress, std::move(stop))
      .push(options.image, parse_remote(destination), "all");
  return 0;
}

int run_command(const PullOptions& options, std::stop_token stop) {
  Transfers transfers(options.common, options.registry, options.progress, std::move(stop));
  const auto from = parse_remote(options.image);
  auto name = options.name.empty() ? from : parse_name("-t", options.name);
  if (!name.tag.empty()) name.digest.reset();
  builder::Store store(store_home(options.common.home, transfers.host().variables));
  transfers.pull(from, store.layout(), name.to_string(), options.platform, name.to_string());
  return 0;
}

int run_command(const CopyOptions& options, std::stop_token stop) {
  using Kind = oci::ImageLocation::Kind;
  Transfers transfers(options.common, options.registry, options.progress, stop);
  const bool from_registry = options.from.starts_with(oci::kRegistryTransport);
  if (options.to.starts_with(oci::kRegistryTransport)) {
    const auto to = parse_remote(options.to);
    if (from_registry)
      transfers.copy(parse_remote(options.from), to, options.platform);
    else
      transfers.push(options.from, to, options.platform);
    return 0;
  }
  auto to = oci::ImageLocation::parse(options.to);
  if (to.kind == Kind::name) {
    copy_into_store(transfers, options, stop);
    return 0;
  }
  if (to.kind == Kind::docker_archive && to.tag.empty())
    throw Error(ErrorCode::usage,
                concat(to.to_string(), " does not say what the image is called when it is loaded"))
        .with_hint("use docker-archive:FILE:NAME[:TAG]");
  if (to.tag.empty()) to.tag = "latest";
  if (to.kind != Kind::layout) {
    if (from_registry)
      pull_into_archive(transfers, options, to, stop);
    else
      write_archive(transfers, transfers.open_chosen(options.from, options.platform), to, stop);
    return 0;
  }
  if (from_registry) {
    auto layout = oci::ImageLayout::open_or_create(to.path);
    transfers.pull(parse_remote(options.from), layout, to.tag, options.platform, to.tag);
    return 0;
  }
  const auto image = transfers.open_chosen(options.from, options.platform);
  auto layout = oci::ImageLayout::open_or_create(to.path);
  copy_local(image, layout, to.tag, stop);
  return 0;
}

}  // namespace dash::cli
