#include "builder/python/collect_wheels.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/app_directory.hpp"
#include "builder/image_config.hpp"
#include "builder/percent.hpp"
#include "builder/python/direct_url.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace dash::builder {
namespace {

// What would end the path of a URL, or be read as an escape.
constexpr std::string_view kNotInPaths = "%?#";

std::string title(const LockedPackage& package) {
  return package.version.empty() ? package.name : concat(package.name, ' ', package.version);
}

// "cp310, cp312 (manylinux_2_17_x86_64, macosx_11_0_arm64)"
std::string describe_wheels(const LockedPackage& package) {
  std::set<std::string> pythons;
  std::set<std::string> platforms;
  for (const LockedFile& wheel : package.wheels)
    if (const std::optional<WheelName> name = WheelName::parse(wheel.file_name)) {
      pythons.insert(name->pythons.begin(), name->pythons.end());
      platforms.insert(name->platforms.begin(), name->platforms.end());
    }
  if (pythons.empty()) return "there are no wheels at all";
  return concat("wheels exist for ", join({pythons.begin(), pythons.end()}, ", "), " (",
                join({platforms.begin(), platforms.end()}, ", "), ')');
}

}  // namespace

class WheelCollector::State {
 public:
  State(const Workbench& bench, const Lock& lock, const BuildContext& context)
      : bench_(bench), context_(context) {
    const TagRanking ranking(context.interpreter);
    for (const LockedPackage& package : lock.packages) {
      Item item{&package, nullptr};
      if (package.archive)
        item.file = &*package.archive;
      else if (!package.directory && !package.vcs)
        item.file = &choose_file(package, ranking, context_.interpreter);
      if (item.file != nullptr) context_.pins.check_known(package, *item.file);
      items_.push_back(item);
    }
  }

  bool is_wheel(std::size_t index) const { return items_[index].is_wheel(); }

  std::optional<LocalWheel> known(std::size_t index) const {
    const Item& item = items_[index];
    if (!item.is_wheel() || !item.file->sha256 ||
        context_.pins.needs_content(*item.package, *item.file->sha256))
      return std::nullopt;
    return LocalWheel{kept_path(*item.file->sha256, item.file->file_name), *item.file->sha256,
                      direct_url_json(*item.package)};
  }

  void collect(const std::vector<std::size_t>& indices, const WheelReady& ready) {
    const TempDirectory incoming(bench_.store.packages());
    std::vector<FetchRequest> wanted;
    std::map<std::size_t, Arrived> arrived;  // what is built later
    const auto arrive = [&](std::size_t index, const fs::path& path) {
      Arrived file = settle(items_[index], path);
      if (items_[index].is_wheel())
        ready(index, {file.path, file.sha256, direct_url_json(*items_[index].package)});
      else
        arrived.insert_or_assign(index, std::move(file));
    };
    for (const std::size_t index : indices) {
      const LockedFile* file = items_[index].file;
      if (file == nullptr) continue;
      // Without a hash only the content can tell where the file belongs.
      const fs::path kept = file->sha256 ? kept_path(*file->sha256, file->file_name) : fs::path();
      if (!kept.empty() && bench_.store.claim(kept.parent_path()) && fs::exists(kept)) {
        arrive(index, kept);
        continue;
      }
      const fs::path destination = incoming.path() / std::to_string(index);
      wanted.push_back(request_for(*file, destination));
      wanted.back().completed = [&arrive, index, destination] { arrive(index, destination); };
    }
    fetch(wanted);
    for (const std::size_t index : indices)
      if (!items_[index].is_wheel()) {
        const auto file = arrived.find(index);
        ready(index, built_wheel(items_[index], file == arrived.end() ? Arrived() : file->second));
      }
  }

 private:
  struct Item {
    const LockedPackage* package;
    const LockedFile* file;  // of an index package or archive
    bool is_wheel() const { return file != nullptr && file->file_name.ends_with(".whl"); }
  };
  // A file in its place in the store.
  struct Arrived {
    fs::path path;
    Sha256 sha256{};
  };

  // The lock's paths are those of the sandbox: in the app, or in a directory that is seen under its own name
  // (nothing then).
  static std::optional<std::string> path_in_app(std::string_view path) {
    if (!path.starts_with(kAppDirectory)) return std::nullopt;
    path.remove_prefix(std::string_view(kAppDirectory).size());
    if (path.empty()) return ".";
    return path.front() == '/' ? normal_path(path.substr(1)) : std::nullopt;
  }

  fs::path host_path(const std::string& path) const {
    const auto in_app = path_in_app(path);
    return in_app ? context_.app_directory / *in_app : fs::path(path);
  }

  static std::string project_path(const LockedPackage& package) {
    if (auto path = path_in_app(package.directory->path)) return std::move(*path);
    throw Error(ErrorCode::unsupported,
                concat(title(package), " is a project outside of the app: ", package.directory->path))
        .with_hint("copy it into the app and name it by a relative path, for example \"./mypackage\"");
  }

  fs::path kept_path(const Sha256& sha256, const std::string& file_name) const {
    return bench_.store.packages() / to_hex(sha256) / file_name;
  }

  FetchRequest request_for(const LockedFile& file, const fs::path& destination) const {
    FetchRequest request;
    request.url =
        file.url.empty() ? "file://" + percent_encoded(host_path(file.path).string(), kNotInPaths) : file.url;
    const auto app_url = concat("file://", kAppDirectory, '/');
    if (request.url.starts_with(app_url))
      request.url = concat("file://", percent_encoded(context_.app_directory.string(), kNotInPaths), '/',
                           request.url.substr(app_url.size()));
    if (bench_.network == Network::none && !request.url.starts_with("file:"))
      throw Error(ErrorCode::unavailable,
                  concat(file.file_name, " is not in the store, and the build is offline"))
          .with_hint("Build once online with the same store.");
    request.destination = destination;
    request.sha256 = file.sha256;
    request.size = file.size;
    request.shown = file.file_name;
    if (is_trusted(request.url)) request.certificates = FetchRequest::Certificates::unchecked;
    return request;
  }

  bool is_trusted(std::string_view url) const {
    const auto start = url.find("://");
    if (start == std::string_view::npos) return false;
    auto authority = url.substr(start + 3, url.find('/', start + 3) - start - 3);
    authority.remove_prefix(authority.rfind('@') + 1);
    const auto host = authority.substr(0, authority.rfind(':'));
    return std::ranges::any_of(context_.settings.trusted_hosts, [&](const std::string& trusted) {
      return trusted == authority || trusted == host;
    });
  }

  void fetch(const std::vector<FetchRequest>& wanted) const {
    if (wanted.empty()) return;
    std::uint64_t bytes = 0;
    for (const FetchRequest& request : wanted) bytes += request.size.value_or(0);
    bench_.log(context_.step, concat("Fetching ", wanted.size(), wanted.size() == 1 ? " file" : " files",
                                     bytes > 0 ? concat(" (", human_size(bytes), ')') : ""));
    bench_.fetcher.fetch(
        wanted,
        [this](const FetchRequest& request, std::uint64_t done, std::uint64_t total) {
          bench_.events.emit(BytesMoved{context_.step, request.shown, done, total});
        },
        bench_.stop);
  }

  // Moves what came in to where its hash says. A concurrent build may have put the same file there.
  Arrived settle(const Item& item, const fs::path& path) const {
    Arrived out;
    if (item.file->sha256) {
      out.sha256 = *item.file->sha256;
    } else {
      FileSource content(path);
      out.sha256 = sha256(content);
    }
    context_.pins.check_content(*item.package, *item.file, out.sha256, path);
    out.path = kept_path(out.sha256, item.file->file_name);
    if (path == out.path) return out;
    make_directories(out.path.parent_path());
    fs::rename(path, out.path);
    sync_directory(out.path.parent_path());
    return out;
  }

  LocalWheel built_wheel(const Item& item, const Arrived& archive) const {
    const LockedPackage& package = *item.package;
    LocalWheel out;
    out.direct_url = direct_url_json(package);
    WheelSource source;
    source.name = package.name;
    source.version = package.version;
    source.place = context_.pins.place(package);
    if (package.sdist && item.file == &*package.sdist) source.from = WheelSource::From::index;
    source.vcs = package.vcs;
    if (package.vcs) source.subdirectory = package.vcs->subdirectory;
    if (package.directory) {
      source.directory = project_path(package);
      source.subdirectory = package.directory->subdirectory;
    }
    if (item.file != nullptr) {
      source.archive = archive.path;
      source.sha256 = archive.sha256;
      source.subdirectory = item.file->subdirectory;
    }
    out.path = build_wheel(bench_, context_, source);
    FileSource content(out.path);
    out.sha256 = sha256(content);
    out.origin = LocalWheel::Origin::built;
    return out;
  }

  const Workbench& bench_;
  const BuildContext& context_;
  std::vector<Item> items_;  // as the lock's packages
};

WheelCollector::WheelCollector(const Workbench& bench, const Lock& lock, const BuildContext& context)
    : state_(std::make_unique<State>(bench, lock, context)) {
  make_directories(bench.store.packages());
}
WheelCollector::~WheelCollector() = default;

std::optional<LocalWheel> WheelCollector::known(std::size_t index) const {
  return state_->known(index);
}
bool WheelCollector::is_built(std::size_t index) const {
  return !state_->is_wheel(index);
}
void WheelCollector::collect(const std::vector<std::size_t>& indices, const WheelReady& ready) {
  state_->collect(indices, ready);
}

const LockedFile& choose_file(const LockedPackage& package, const TagRanking& ranking,
                              const Interpreter& interpreter) {
  const LockedFile* best = nullptr;
  std::size_t best_rank = 0;
  std::string best_build;
  for (const LockedFile& wheel : package.wheels) {
    const std::optional<WheelName> name = WheelName::parse(wheel.file_name);
    const std::optional<std::size_t> rank = name ? ranking.rank(*name) : std::nullopt;
    if (!rank) continue;
    if (best == nullptr || *rank < best_rank ||
        (*rank == best_rank && build_tag_less(best_build, name->build))) {
      best = &wheel;
      best_rank = *rank;
      best_build = name->build;
    }
  }
  if (best != nullptr) return *best;
  if (package.sdist) return *package.sdist;
  throw Error(ErrorCode::invalid_input,
              concat(title(package), " has no wheel for CPython ", interpreter.minor_version(), " on ",
                     interpreter.machine, " and no source distribution; ", describe_wheels(package)))
      .with_hint("Pin a version of it that has one, or use a base image with another Python.");
}

}  // namespace dash::builder
