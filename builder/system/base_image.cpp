#include "builder/system/base_image.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/system/change_filter.hpp"
#include "builder/system/host_apt.hpp"
#include "builder/system/launcher.hpp"
#include "oci/layer_writer.hpp"
#include "oci/tree.hpp"

#include <cerrno>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::builder {

namespace {

constexpr std::string_view kStep = "base";
constexpr std::string_view kCodename = "bookworm";
constexpr std::string_view kRecipe = "bookworm 3";
// What a Dash app needs at run time. usr-is-merged keeps perl out, which usrmerge would bring in.
constexpr std::string_view kPackages = "ca-certificates,libgomp1,netbase,python3,tzdata,usr-is-merged";
constexpr const char* kMergedUsrHooks = "/usr/share/mmdebstrap/hooks/merged-usr";
constexpr const char* kEtcApt = "/etc/apt";

// Kept in the image, so that packages installed later are as lean. Licences stay.
constexpr std::string_view kDpkgSettings =
    "path-exclude=/usr/share/doc/*\n"
    "path-include=/usr/share/doc/*/copyright\n"
    "path-exclude=/usr/share/info/*\n"
    "path-exclude=/usr/share/lintian/*\n"
    "path-exclude=/usr/share/locale/*\n"
    "path-exclude=/usr/share/man/*\n";
constexpr std::string_view kHosts =
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n";

std::vector<AptSource> sources() {
  auto found = debian_sources(read_apt_sources(kEtcApt), kCodename);
  if (found.empty())
    throw Error(
        ErrorCode::unsupported,
        concat("there is no base image to build on: the default one is made from the host's own Debian "
               "sources, and this host has none for ",
               kCodename, " in ", kEtcApt))
        .with_hint("name a base image with --base, or build on a host with Debian 12");
  return found;
}

std::string sources_list() {
  std::string out;
  for (const auto& source : sources()) out += concat(source.to_line(), '\n');
  return out;
}

// mmdebstrap unpacks into a directory below `parent`, in namespaces of its own: what it mounts and starts
// goes when it ends, in whatever way.
fs::path bootstrap(const Workbench& bench, const fs::path& parent) {
  const auto root = parent / "root";
  ProcessOptions options;
  options.argv = {"mmdebstrap", "--mode=root", "--variant=apt", "--format=directory",
                  concat("--include=", kPackages), concat("--hook-dir=", kMergedUsrHooks),
                  // Only for the time of the installation; removed below.
                  "--dpkgopt=force-unsafe-io"};
  for (const auto line : split_lines(kDpkgSettings)) options.argv.push_back(concat("--dpkgopt=", line));
  for (const auto& setting : apt_transport_settings(bench.host, bench.host.ca_bundle, bench.stop))
    options.argv.push_back(concat("--aptopt=", setting));
  options.argv.insert(options.argv.end(), {std::string(kCodename), root.string(), "-"});
  options.input = sources_list();

  const auto path = bench.host.variables.find("PATH");
  options.environment = {
      concat("PATH=", path == bench.host.variables.end() ? kDefaultSearchPath : path->second),
      "LC_ALL=C.UTF-8", "TZ=UTC", "DEBIAN_FRONTEND=noninteractive",
      // Makes bytecode valid whatever the files' times, and dates in /etc/shadow constant.
      concat("SOURCE_DATE_EPOCH=", bench.host.source_date_epoch), "PYTHONDONTWRITEBYTECODE=1",
      concat("TMPDIR=", parent.string())};
  for (const auto& [name, value] : bench.host.proxies)
    options.environment.push_back(concat(name, '=', value));
  options.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
  options.prepare = []() -> const char* {
    ::umask(0022);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "make mounts private";
    return ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0 ? nullptr
                                                                                            : "mount /proc";
  };
  options.on_stdout = options.on_stderr = [&bench](std::string_view line) {
    bench.log(std::string(kStep), std::string(line));
  };
  const auto result = run_process(options, bench.stop);
  if (!result.ok())
    throw Error(
        ErrorCode::step_failed,
        concat("bootstrapping the base image failed: mmdebstrap ended with exit code ", result.exit_code))
        .with_hint(
            "check that 'apt-get update' works on this host and that there is space; or name a base with "
            "--base")
        .with_output(result.tail);
  return root;
}

void replace_file(const fs::path& path, std::string_view content) {
  write_file_atomic(path, content, 0644);
}

// What the image has beyond the packages.
void finish_root(const fs::path& root) {
  // mmdebstrap keeps the settings of the installation in the image: the host's proxies and certificates among
  // them.
  remove_tree(root / "etc/apt/apt.conf.d/99mmdebstrap");
  remove_tree(root / "etc/dpkg/dpkg.cfg.d/99mmdebstrap");
  replace_file(root / "etc/dpkg/dpkg.cfg.d/dash-build", kDpkgSettings);
  // A copy of the host's.
  for (const auto* name : {"etc/hostname", "etc/resolv.conf"}) remove_tree(root / name);
  replace_file(root / "etc/hosts", kHosts);
  replace_file(root / "etc/passwd", with_app_user(read_file(root / "etc/passwd")));
  replace_file(root / "etc/group", with_app_group(read_file(root / "etc/group")));
  const auto app = root / "app";
  make_directories(app);
  if (::chmod(app.c_str(), 0755) != 0)  // whatever the umask is
    throw system_error(concat("cannot chmod ", app.string()), errno);
  if (::chown(app.c_str(), kAppUser, kAppUser) != 0)
    throw system_error(concat("cannot chown ", app.string()), errno);
}

// Empty, but of the package apt: dpkg --verify looks for them.
bool is_directory_of_apt(std::string_view path) {
  return path == "var/cache/apt/archives" || path == "var/cache/apt/archives/partial" ||
         path == "var/lib/apt/lists/partial";
}

oci::Layer write_layer(const Workbench& bench, const fs::path& root) {
  oci::TreeOptions options;
  options.keep = [](const std::string& path, EntryType type) {
    if (type == EntryType::directory && is_directory_of_apt(path)) return true;
    if (path.starts_with("dev/") || path.starts_with("run/") || is_system_noise(path)) return false;
    return type != EntryType::char_device && type != EntryType::block_device;
  };
  oci::LayerWriter writer(bench.layer_settings());
  oci::add_tree(writer, root, options, bench.stop);
  return writer.finish();
}

}  // namespace

std::string base_recipe_identity(const HostSettings& host) {
  return concat(kRecipe, ' ', host.debian_architecture, ' ', kPackages, ' ', to_hex(sha256(sources_list())));
}

BaseImage bootstrap_base(const Workbench& bench) {
  if (bench.network == Network::none)
    throw Error(ErrorCode::unavailable, "the default base image is not in the store, and building offline")
        .with_hint("build once online, or name a base image that is at hand with --base");
  if (::geteuid() != 0)
    throw Error(ErrorCode::unsupported, "making the default base image needs root")
        .with_hint("run it with sudo");
  const auto directory = bench.store.work_directory();
  const auto root = bootstrap(bench, directory.path());
  finish_root(root);

  BaseImage image;
  image.layers = {write_layer(bench, root)};
  image.config.created = rfc3339(bench.host.source_date_epoch);
  image.config.platform.architecture = bench.host.debian_architecture;
  image.config.set_environment("PATH", kDefaultSearchPath);
  image.config.set_environment("LANG", "C.UTF-8");
  image.config.cmd = {"/bin/bash"};
  image.config.diff_ids = {image.layers[0].diff_id};
  image.config.history = {{image.config.created, concat("dash-build base ", kRecipe), "", false}};
  return image;
}

}  // namespace dash::builder
