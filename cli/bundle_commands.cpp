// `mirror export`, `import`, `inventory` and `verify`: images that are carried.
#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/bundle_options.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/quantities.hpp"
#include "cli/registry_access.hpp"
#include "cli/renderers.hpp"
#include "cli/session.hpp"
#include "cli/wording.hpp"
#include "oci/image_location.hpp"
#include "registry/bundle/export_bundle.hpp"
#include "registry/bundle/import_bundle.hpp"
#include "registry/bundle/registry_inventory.hpp"
#include "registry/mirror/image_selection.hpp"

#include <array>
#include <iostream>
#include <memory>
#include <set>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace dash::cli {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kStream = "-";
constexpr std::uint64_t kSmallestPart = std::uint64_t{1} << 20;

// An image on this machine as a source of blobs.
class LocalSource : public registry::StoreSource {
 public:
  explicit LocalSource(std::unique_ptr<oci::BlobStore> store)
      : StoreSource(*store), store_(std::move(store)) {}

 private:
  std::unique_ptr<oci::BlobStore> store_;
};

bool is_list(const std::string& text) {
  return text.ends_with(".toml");
}

// The name in the bundle: by tag, or by the digest of what is in it.
std::string bundled_name(oci::Reference source, const oci::Descriptor& image) {
  source.digest.reset();
  if (source.tag.empty()) source.digest = image.digest;
  return source.to_string();
}

// An image in a registry that --from names.
std::optional<registry::MirrorImage> as_remote(const std::string& text, const MirrorExportOptions& options) {
  const bool says_so = text.starts_with(oci::kRegistryTransport);
  if (!says_so && oci::ImageLocation::parse(text).kind != oci::ImageLocation::Kind::name) return std::nullopt;
  auto name = oci::Reference::parse(oci::without_transport(text)).with_default_tag();
  if (name.registry.empty() && !says_so) return std::nullopt;
  registry::MirrorImage out;
  out.source = std::move(name);
  for (const auto& platform : options.platforms) out.platforms.push_back(parse_platform(platform));
  if (options.referrers) out.referrers = registry::MirrorImage::Referrers::take;
  out.place = "--from " + text;
  return out;
}

// What is to be had from registries: the images that --from names, and those of its lists.
registry::MirrorList wanted_from_registries(const MirrorExportOptions& options) {
  registry::MirrorList out;
  bool named = false;
  for (const auto& text : options.from) {
    if (is_list(text)) {
      const auto list = registry::MirrorList::read(text);
      out.images.insert(out.images.end(), list.images.begin(), list.images.end());
    } else if (const auto remote = as_remote(text, options)) {
      out.images.push_back(*remote);
      named = true;
    }
  }
  for (const auto* option :
       {!options.platforms.empty() ? "--platform" : "", options.referrers ? "--referrers" : ""})
    if (*option != '\0' && !named)
      throw Error(ErrorCode::usage, concat(option, " is for images in registries, and --from names none"))
          .with_hint("in a list, each image has its own 'platforms' and 'referrers'");
  return out;
}

class Collector {
 public:
  Collector(registry::RegistrySession& session, const MirrorExportOptions& options,
            const builder::HostSettings& host, EventSink& events, std::stop_token stop)
      : session_(session), options_(options), host_(host), events_(events), stop_(std::move(stop)) {}

  std::vector<registry::BundleItem> collect(const registry::MirrorList& wanted) {
    for (const auto& text : options_.from)
      if (!is_list(text) && !as_remote(text, options_)) add_local(text);
    const auto selection = registry::select_images(session_, wanted, stop_);
    // A bundle that lacks what was asked for would be noticed too late.
    if (!selection.failures.empty()) std::rethrow_exception(selection.failures.front().failure);
    for (const auto& entry : selection.unmatched) events_.emit(Warning{"export", registry::describe(entry)});
    for (const auto& image : selection.images)
      items_.push_back({bundled_name(image.source, image.image), image.image, image.from});
    return std::move(items_);
  }

 private:
  void add_local(const std::string& text) {
    auto local = open_named(text);
    const auto location = oci::ImageLocation::parse(text);
    auto name = location.kind == oci::ImageLocation::Kind::name ? text : location.tag;
    if (name.empty())
      throw Error(ErrorCode::usage, concat("--from ", text, " gives the image no name"))
          .with_hint("name it: oci:DIR:NAME, after 'dash-build copy oci:DIR oci:DIR:team/app:1.2'");
    items_.push_back({oci::Reference::parse(name).with_default_tag().to_string(), local.image,
                      std::make_shared<LocalSource>(std::move(local.store))});
  }

  LocalImage open_named(const std::string& text) const {
    try {
      return open_local(text, options_.common.home, host_);
    } catch (Error& error) {
      if (error.code() != ErrorCode::not_found ||
          oci::ImageLocation::parse(text).kind != oci::ImageLocation::Kind::name)
        throw;
      boost::system::error_code ignored;
      if (fs::is_regular_file(text, ignored))
        throw Error(ErrorCode::usage, concat("--from ", text, " is a file, but no list by its name"))
            .with_hint("the name of a list ends in .toml; an archive is oci-archive:FILE");
      error.with_hint(
          "a list of images is a file whose name ends in .toml, an image in a registry is "
          "REGISTRY/REPOSITORY:TAG; 'dash-build images' lists what is in the store");
      throw;
    }
  }

  registry::RegistrySession& session_;
  const MirrorExportOptions& options_;
  const builder::HostSettings& host_;
  EventSink& events_;
  std::stop_token stop_;
  std::vector<registry::BundleItem> items_;
};

// A bundle, or the JSON of an inventory.
registry::Inventory read_since(const fs::path& file) {
  if (fs::exists(file)) {
    std::array<std::byte, 1> first{};
    FileSource source(file);
    if (source.read(first) == 1 && first[0] == std::byte{'{'})
      return registry::Inventory::parse(read_file(file, registry::kMaxBundleIndex), file.string());
  }
  return registry::BundleReader(file).index().inventory();
}

// Or what can only be meant as one: no registry is called so.
bool is_bundle(const std::string& place) {
  return fs::exists(place) || fs::exists(place + ".001") || place.ends_with(".tar") ||
         place.starts_with('/') || place.starts_with("./") || place.starts_with("../");
}

void print(std::ostream& out, const registry::ExportReport& report) {
  for (const auto& file : report.files) out << file.string() << '\n';
  out << counted(report.images, "image") << " with " << counted(report.blobs, "blob") << ", "
      << human_size(report.size);
  if (report.unchanged + report.left_out > 0)
    out << "; " << counted(report.unchanged, "unchanged image") << " and " << counted(report.left_out, "blob")
        << " left out";
  if (report.resumed > 0) out << "; " << human_size(report.resumed) << " were there from an earlier run";
  out << '\n';
}

void print_json(std::ostream& out, const registry::ExportReport& report) {
  auto files = OrderedJson::array();
  for (const auto& file : report.files) files.push_back(file.string());
  const OrderedJson json = {{"files", files},
                            {"size", report.size},
                            {"images", report.images},
                            {"unchanged", report.unchanged},
                            {"blobs", report.blobs},
                            {"leftOut", report.left_out},
                            {"resumedBytes", report.resumed}};
  out << json.dump(2) << '\n';
}

void print(std::ostream& out, const registry::ImportReport& report) {
  out << counted(report.images, "image") << " imported, " << report.present << " already there";
  if (report.unchanged > 0) out << ", " << report.unchanged << " unchanged";
  out << "; " << counted(report.uploaded, "blob") << " sent (" << human_size(report.bytes_sent) << "), "
      << report.mounted << " mounted\n";
}

void print_json(std::ostream& out, const registry::ImportReport& report) {
  const OrderedJson json = {{"imported", report.images},           {"present", report.present},
                            {"unchanged", report.unchanged},       {"uploaded", report.uploaded},
                            {"mounted", report.mounted},           {"bytesSent", report.bytes_sent},
                            {"bytesResumed", report.bytes_resumed}};
  out << json.dump(2) << '\n';
}

template <class Report>
void print(std::ostream& out, const Report& report, bool json) {
  if (json)
    print_json(out, report);
  else
    print(out, report);
}

}  // namespace

int run_command(const MirrorExportOptions& options, std::stop_token stop) {
  const auto part_size = options.split.empty() ? 0 : parse_size(options.split, "--split");
  if (part_size != 0 && part_size < kSmallestPart)
    throw Error(ErrorCode::usage,
                concat("--split ", options.split, " is less than ", human_size(kSmallestPart)))
        .with_hint("say what the medium holds: 650M, 4000M");
  const bool to_stream = options.bundle == kStream;
  if (to_stream && part_size != 0)
    throw Error(ErrorCode::usage, "--split needs a file; standard output is one stream")
        .with_hint("pipe it through 'split'");
  const auto host = read_host_settings(options.common);
  if (!options.since.empty() && fs::weakly_canonical(options.since) == fs::weakly_canonical(options.bundle))
    throw Error(ErrorCode::usage, concat("--since names ", options.bundle, ", which would be overwritten"))
        .with_hint("give the new bundle another name");
  std::optional<registry::Inventory> since;
  if (!options.since.empty()) since = read_since(options.since);
  const auto wanted = wanted_from_registries(options);
  std::set<std::string> registries;
  for (const auto& image : wanted.images) registries.insert(image.source.registry);
  registry::RegistrySession session(registry_settings(options.registry, host, options.common.home,
                                                      only_registry(options.registry, registries)));
  auto events = make_renderer(options.progress, host.variables);
  registry::BundleExport bundle(session, Collector(session, options, host, *events, stop).collect(wanted),
                                since, *events, stop);
  registry::ExportReport report;
  if (to_stream) {
    FdSink out(STDOUT_FILENO, "standard output");
    report = bundle.stream(out);
  } else {
    report = bundle.write(options.bundle, part_size);
  }
  events.reset();
  print(to_stream ? std::cerr : std::cout, report, options.json);
  return 0;
}

int run_command(const MirrorImportOptions& options, std::stop_token stop) {
  const registry::ImportTarget target(options.destination, options.map);
  const auto host = read_host_settings(options.common);
  registry::RegistrySession session(
      registry_settings(options.registry, host, options.common.home, target.registry()));
  auto events = make_renderer(options.progress, host.variables);
  registry::ImportReport report;
  if (options.bundle == kStream) {
    FdSource in(STDIN_FILENO, "standard input");
    report = registry::import_stream(session, in, "standard input", target, *events, stop);
  } else {
    report = registry::import_bundle(session, registry::BundleReader(options.bundle), target, *events, stop);
  }
  events.reset();
  print(std::cout, report, options.json);
  return 0;
}

int run_command(const MirrorInventoryOptions& options, std::stop_token stop) {
  if (is_bundle(options.place)) {
    std::cout << registry::BundleReader(options.place).index().inventory().to_json();
    return 0;
  }
  const auto host = read_host_settings(options.common);
  const auto registry = registry::RegistryPlace::parse(options.place).registry;
  registry::RegistrySession session(registry_settings(options.registry, host, options.common.home, registry));
  const auto inventory = registry::read_registry_inventory(session, options.place, stop);
  if (inventory.images.empty())
    make_renderer(Progress::plain, host.variables)
        ->emit(Warning{"inventory", concat("there is no image below ", options.place,
                                           ": 'export --since' this inventory leaves nothing out")});
  std::cout << inventory.to_json();
  return 0;
}

int run_command(const MirrorVerifyOptions& options, std::stop_token stop) {
  if (options.bundle == kStream)
    throw Error(ErrorCode::usage, "verify reads a file, not a stream")
        .with_hint("'mirror import -' checks what it reads itself");
  const registry::BundleReader bundle(options.bundle);
  const auto host = read_host_settings(options.common);
  auto events = make_renderer(options.progress, host.variables);
  ThreadPool pool(thread_count(options.threads));
  const auto faults = bundle.verify(pool, *events, stop);
  events.reset();
  if (!faults.empty())
    throw Error(ErrorCode::corrupt, concat(bundle.name(), " is damaged: ", join(faults, "; ")))
        .with_hint("copy the bundle again, or export it anew");
  const auto& index = bundle.index();
  std::cout << bundle.name() << ": " << counted(index.images.size(), "image") << " with "
            << counted(index.blobs.size(), "blob") << ", complete and right";
  if (!index.required.blobs.empty() || !index.required.images.empty())
    std::cout << "; the destination must have " << counted(index.required.images.size(), "other image")
              << " and " << counted(index.required.blobs.size(), "blob");
  std::cout << '\n';
  return 0;
}

}  // namespace dash::cli
