#include "builder/package_mirror/package_mirror.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/collect_packages.hpp"
#include "builder/conda/installer.hpp"
#include "builder/conda/installer_source.hpp"
#include "builder/conda/solver_answer.hpp"
#include "builder/package_mirror/channel_subset.hpp"
#include "builder/package_mirror/simple_index.hpp"
#include "builder/python/uv_tool.hpp"
#include "oci/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr const char* kMemory = "mirror.json";
constexpr const char* kStep = "mirror";
constexpr const char* kInstallers = "miniconda";
constexpr const char* kSimple = "simple";
constexpr std::array<const char*, 2> kSubdirs = {"linux-64", "noarch"};

class PackageMirror {
 public:
  PackageMirror(const Workbench& bench, CondaSettings settings, const MirrorContents& contents,
                const fs::path& directory)
      : bench_(bench),
        settings_(std::move(settings)),
        contents_(contents),
        directory_(made(directory)),
        lock_(FileLock::acquire(directory_ / ".lock", FileLock::Kind::exclusive)) {
    // Of runs that were killed.
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_))
      if (entry.path().filename().string().starts_with(".tmp-")) fs::remove(entry.path());
  }

  PackageMirrorReport write(std::string_view url) {
    remember();
    add_installers();
    add_conda();
    add_distributions();
    const Json memory = {{"channels", channels_}, {"installers", installers_}};
    write_file_atomic(directory_ / kMemory, memory.dump(1) + '\n');
    write_file_atomic(directory_ / "dash-build.toml", settings_text(url));
    return report_;
  }

 private:
  // A package that some installer has.
  struct Bundled {
    fs::path installer;
    std::string record;
  };
  // Records of a channel's packages by subdirectory.
  using Subdirs = std::map<std::string, RepodataRecords, std::less<>>;

  static const fs::path& made(const fs::path& directory) {
    boost::system::error_code absent;
    if (const auto kind = fs::status(directory, absent).type();
        kind != fs::directory_file && kind != fs::file_not_found)
      throw Error(ErrorCode::usage, concat(directory.string(), " is a file, not a directory"))
          .with_hint("Name a directory, or a file that ends in .tar.");
    make_directories(directory);
    return directory;
  }

  // What earlier runs brought.
  void remember() {
    const auto text = read_file_if_exists(directory_ / kMemory);
    if (!text) return;
    try {
      const Json memory = Json::parse(*text);
      channels_ = memory.at("channels").get<std::set<std::string>>();
      installers_ = memory.at("installers").get<std::map<std::string, std::string>>();
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::corrupt,
                  concat((directory_ / kMemory).string(), " cannot be read: ", error.what()))
          .with_hint("Remove the mirror, and make it anew.");
    }
    for (const auto& [name, sha256] : installers_) know_packages(installer_path(name));
  }

  fs::path installer_path(const std::string& name) const {
    return directory_ / kInstallers / installer_file_name(name);
  }

  // The file in the mirror; one that is there is of an earlier run, or of another app.
  void place(const fs::path& from, const fs::path& to) {
    report_.bytes += fs::file_size(from);
    make_directories(to.parent_path());
    TempFile file(directory_);
    FileSource source(from);
    copy(source, file);
    file.commit(to);
  }

  void add_installers() {
    for (const auto& [name, digest] : contents_.installers) {
      // What an image says counts where neither its publisher nor the machine says it.
      if (const auto sha256 = sha256_from_hex(digest); sha256 && !pinned_digest(settings_, name))
        settings_.installers[name] = *sha256;
      CondaRuntime runtime;
      runtime.installer = name;
      const InstallerFile file = get_installer(bench_, settings_, runtime, kStep);
      place(file.path, installer_path(name));
      know_packages(installer_path(name));
      installers_[name] = to_hex(file.sha256);
      ++report_.installers;
      if (!is_airgapped_runtime(name))
        bench_.warn(kStep, concat("builds with airgapped = true refuse ", name,
                                  ": they have the two installers of Dash Enterprise only"));
    }
  }

  void know_packages(const fs::path& installer) {
    if (const auto content = read_installer(installer, installer.filename().string(), bench_.stop))
      for (const CondaPackageUrl& package : content->packages.packages)
        bundled_[package.url] = {installer, package.repodata};
  }

  void add_conda() {
    ExplicitLock wanted;
    std::map<std::string, Subdirs> channels;  // by URL
    for (const auto& [url, package] : contents_.conda) {
      Subdirs& subdirs = channels[package.channel()];
      if (const auto bundled = bundled_.find(url); bundled != bundled_.end()) {
        place(unpacked(bundled->second.installer) / package.file_name(), path_of(package));
        subdirs[package.subdir()][package.file_name()] = bundled->second.record;
      } else {
        wanted.packages.push_back(package);
      }
    }
    CondaCollector collector(bench_, kStep, wanted,
                             [this](const std::string& url) { return fetch_url(bench_, settings_, url); });
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < wanted.packages.size(); ++i) indices.push_back(i);
    collector.collect(indices, [&](std::size_t index, const fs::path& path, const PackageDigests&) {
      place(path, path_of(wanted.packages[index]));
    });
    read_records(wanted, channels);
    for (const auto& [url, subdirs] : channels) {
      channels_.insert(url);
      // Conda reads both lists of a channel, also one without packages.
      for (const std::string subdir : kSubdirs) {
        const auto records = subdirs.find(subdir);
        add_to_channel(directory_ / channel_path(url) / subdir, subdir,
                       records == subdirs.end() ? RepodataRecords() : records->second);
      }
    }
    report_.conda_packages = contents_.conda.size();
  }

  fs::path path_of(const CondaPackageUrl& package) const {
    return directory_ / channel_path(package.channel()) / package.subdir() / package.file_name();
  }

  // A directory with the packages of an installer.
  fs::path unpacked(const fs::path& installer) {
    const auto [known, is_new] = unpacked_.try_emplace(installer.string());
    if (is_new) {
      known->second = std::make_unique<TempDirectory>(bench_.store.work_directory());
      extract_installer_packages(installer, installer.filename().string(), known->second->path(),
                                 bench_.stop);
    }
    return known->second->path();
  }

  // Those that the channels' own lists have.
  void read_records(const ExplicitLock& packages, std::map<std::string, Subdirs>& channels) {
    std::map<std::pair<std::string, std::string>, std::set<std::string, std::less<>>> names;
    for (const CondaPackageUrl& package : packages.packages)
      names[{package.channel(), package.subdir()}].insert(package.file_name());
    for (const auto& [list, files] : names) {
      const auto& [channel, subdir] = list;
      const TempDirectory work = bench_.store.work_directory();
      const fs::path file = work.path() / "repodata.json";
      const std::string url = concat(channel, '/', subdir, "/repodata.json");
      bench_.fetcher.fetch({{fetch_url(bench_, settings_, url), file, std::nullopt, std::nullopt,
                             concat("the list ", subdir, " of ", channel)}},
                           {}, bench_.stop);
      RepodataRecords records = find_in_repodata(read_file(file, kMaxRepodata), files);
      for (const std::string& name : files)
        if (!records.contains(name))
          throw Error(ErrorCode::not_found,
                      concat("the channel ", channel, " does not list ", name, " any more"))
              .with_hint(
                  "Build the app again with --upgrade, so that its lock has packages that are listed.");
      channels[channel][subdir].merge(records);
    }
  }

  void add_distributions() {
    if (!contents_.python) return;
    const fs::path simple = directory_ / kSimple;
    const TempDirectory incoming = bench_.store.work_directory();
    std::vector<FetchRequest> wanted;
    for (const auto& [name, distribution] : contents_.distributions) {
      const Sha256 sha256 = distribution.file.sha256.value();
      const fs::path kept = bench_.store.packages() / to_hex(sha256) / name;
      const fs::path to = simple / distribution.project / name;
      ++report_.distributions;
      if (bench_.store.claim(kept.parent_path()) && fs::exists(kept)) {
        place(kept, to);
        continue;
      }
      const fs::path file = incoming.path() / name;
      wanted.push_back({distribution.file.url, file, sha256, distribution.file.size, name,
                        [this, file, to] { place(file, to); }});
    }
    if (!wanted.empty()) {
      bench_.log(kStep, concat("Fetching ", wanted.size(), wanted.size() == 1 ? " file" : " files"));
      bench_.fetcher.fetch(
          wanted,
          [this](const FetchRequest& request, std::uint64_t done, std::uint64_t total) {
            bench_.events.emit(BytesMoved{kStep, request.shown, done, total});
          },
          bench_.stop);
    }
    add_uv(simple / "uv");
    write_simple_index(simple);
    for (const auto& [project, version] : contents_.built)
      bench_.warn(kStep, concat(project, ' ', version,
                                " has no wheel: its source is mirrored, but what building it needs ",
                                "is in no lock; add a lock that has setuptools, or what else it needs"));
  }

  // The builder's own resolver, which machines without it get from their package index.
  void add_uv(const fs::path& directory) {
    ++report_.distributions;
    const TempDirectory incoming = bench_.store.work_directory();
    const fs::path wheel = download_uv_wheel(bench_, incoming.path());
    place(wheel, directory / wheel.filename());
  }

  std::string settings_text(std::string_view url) const {
    while (url.ends_with('/')) url.remove_suffix(1);
    std::string out =
        concat("# Settings for machines that see this directory at ", url,
               ".\n# For Python packages: PIP_INDEX_URL=", url, '/', kSimple, "/\nairgapped = true\n");
    if (!installers_.empty()) out += concat("conda_base_url = \"", url, "\"\n");
    std::vector<std::string> pins;
    for (const auto& [name, sha256] : installers_)
      if (const auto own = pinned_digest(CondaSettings(), name); !own || to_hex(*own) != sha256)
        pins.push_back(concat(name, '=', sha256));
    std::vector<std::string> mirrors;
    for (const std::string& channel : channels_)
      mirrors.push_back(concat(channel, '=', url, '/', channel_path(channel)));
    return out + setting("conda_installers", pins) + setting("conda_mirrors", mirrors);
  }

  // A line of a configuration file, or nothing for no texts. These have no quotes.
  static std::string setting(std::string_view key, const std::vector<std::string>& texts) {
    if (texts.empty()) return {};
    return concat(key, " = [\n  \"", join(texts, "\",\n  \""), "\"\n]\n");
  }

  const Workbench& bench_;
  CondaSettings settings_;
  const MirrorContents& contents_;
  const fs::path directory_;
  FileLock lock_;                                                   // one run at a time
  std::map<std::string, Bundled> bundled_;                          // by URL
  std::map<std::string, std::unique_ptr<TempDirectory>> unpacked_;  // by installer
  std::map<std::string, std::string> installers_;                   // all in the mirror: SHA-256 by name
  std::set<std::string> channels_;                                  // all in the mirror: URLs
  PackageMirrorReport report_;
};

}  // namespace

PackageMirrorReport write_package_mirror(const Workbench& bench, const CondaSettings& settings,
                                         const MirrorContents& contents, const fs::path& directory,
                                         std::string_view url) {
  return PackageMirror(bench, settings, contents, directory).write(url);
}

void write_mirror_archive(const fs::path& directory, const fs::path& archive) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory))
    if (!entry.path().filename().string().starts_with('.')) paths.push_back(entry.path());
  std::ranges::sort(paths);
  TempFile file(archive.parent_path().empty() ? "." : archive.parent_path());
  oci::TarWriter tar(file);
  for (const fs::path& path : paths) {
    oci::TarEntry entry;
    entry.path = fs::relative(path, directory).string();
    if (fs::is_directory(path)) {
      entry.type = EntryType::directory;
      entry.mode = 0755;
      tar.add(entry);
      continue;
    }
    entry.size = fs::file_size(path);
    tar.begin(entry);
    FileSource content(path);
    copy(content, tar);
  }
  tar.finish();
  file.commit(archive);
}

}  // namespace dash::builder
