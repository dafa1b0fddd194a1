#include "builder/sandbox/oci_sandbox.hpp"

#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/disk_space.hpp"
#include "builder/sandbox/runtime_config.hpp"

#include <array>
#include <cerrno>
#include <set>
#include <system_error>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dash::builder {

namespace {

constexpr const char* kSharedDirectory = "/run/dash-build";
constexpr const char* kSecretsDirectory = "/run/secrets";
// What programs read to find trusted certificates.
constexpr std::array kCaVariables = {"SSL_CERT_FILE",  "REQUESTS_CA_BUNDLE",  "PIP_CERT",
                                     "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
                                     "AWS_CA_BUNDLE"};
// Files that are private to a run, below /etc.
constexpr std::array kPrivateFiles = {"hosts", "resolv.conf", "hostname"};
// The kernel takes one page of mount options.
constexpr std::size_t kMaxMountOptions = 4095;

constexpr const char* kStepPrivate = "make mounts private";
constexpr const char* kStepProc = "mount /proc";
constexpr const char* kStepState = "mount a tmpfs";
constexpr const char* kStepCgroup = "hide the control groups";
constexpr const char* kStepOverlay = "mount the overlay";
constexpr const char* kStepSecrets = "show the secrets";

std::string host_path(const HostSettings& host) {
  const auto path = host.variables.find("PATH");
  return path == host.variables.end() ? kDefaultSearchPath : path->second;
}

// The first of the runtimes that is installed.
std::optional<fs::path> find_runtime(const HostSettings& host) {
  for (const auto* name : {"crun", "runc"})
    for (const auto& path : {host_path(host), std::string(kDefaultSearchPath)})
      if (auto found = find_program(name, path)) return found;
  return std::nullopt;
}

// Directories and files of one run, all below one temporary directory.
struct RunPaths {
  explicit RunPaths(const fs::path& run) : base(run) {}
  fs::path base;
  fs::path links = base / "l";            // one short symbolic link per lower directory
  fs::path scaffold = base / "scaffold";  // lowest layer: mount points that the image lacks
  fs::path upper = base / "upper";
  fs::path overlay_work = base / "work";
  fs::path root = base / "root";    // where the overlay is mounted
  fs::path state = base / "state";  // the runtime's own files, on a tmpfs
  fs::path bundle = base / "bundle";
  fs::path tmp = base / "tmp";          // /tmp of the command
  fs::path shared = base / "shared";    // /run/dash-build of the command
  fs::path etc = base / "etc";          // kPrivateFiles
  fs::path secrets = base / "secrets";  // kSecretsDirectory, on a tmpfs
  fs::path log = base / "runtime.log";

  void make() const {
    for (const auto& directory :
         {links, scaffold, upper, overlay_work, root, state, bundle, tmp, shared, etc, secrets})
      make_directories(directory);
    set_mode(upper, 0755);  // becomes the mode of "/"
    set_mode(scaffold, 0755);
    set_mode(shared, 0755);
    set_mode(tmp, 01777);
  }
  static void set_mode(const fs::path& path, mode_t mode) {
    if (::chmod(path.c_str(), mode) != 0)
      throw system_error(concat("cannot set the mode of ", path.string()), errno);
  }
};

std::string hosts_file(Network network) {
  const auto own = concat("127.0.1.1\t", kSandboxHostname, "\n");
  if (network == Network::host)
    if (auto host = read_file_if_exists("/etc/hosts"))
      return concat(*host, host->ends_with('\n') ? "" : "\n", own);
  return concat("127.0.0.1\tlocalhost\n::1\tlocalhost\n", own);
}

void write_private_files(const RunPaths& paths, const SandboxCommand& command, const HostSettings& host) {
  write_file(paths.etc / "hosts", hosts_file(command.network));
  write_file(paths.etc / "resolv.conf",
             command.network == Network::host ? read_file_if_exists("/etc/resolv.conf").value_or("") : "");
  write_file(paths.etc / "hostname", concat(kSandboxHostname, "\n"));
  if (!host.ca_bundle.empty())
    write_file(paths.shared / fs::path(kSandboxCaBundle).filename(), read_file(host.ca_bundle));
}

// Makes a mount point in the scaffold: as the lowest layer it only shows where the image has nothing, and
// never ends up in the change.
void add_mount_point(const fs::path& scaffold, const std::string& target, const fs::path& source) {
  const auto relative = fs::path(target).relative_path();
  for (const auto& part : relative)
    if (part == ".." || part == ".")
      throw Error(ErrorCode::internal,
                  concat("the mount point ", dash::quoted(target), " is not a plain absolute path"));
  const auto point = scaffold / relative;
  boost::system::error_code ignored;
  if (source.empty() || fs::is_directory(source, ignored)) {
    make_directories(point);
  } else {
    make_directories(point.parent_path());
    write_file(point, "");
  }
}

std::vector<RuntimeMount> bind_mounts(const RunPaths& paths, const SandboxCommand& command) {
  using Access = SandboxMount::Access;
  std::vector<RuntimeMount> mounts = {{paths.tmp, "/tmp", Access::read_write},
                                      {paths.shared, kSharedDirectory, Access::read_write}};
  for (const auto* name : kPrivateFiles)
    mounts.push_back({paths.etc / name, concat("/etc/", name), Access::read_write});
  if (command.secrets == SandboxCommand::Secrets::visible)
    mounts.push_back({paths.secrets, kSecretsDirectory, Access::read_only});
  for (const auto& mount : command.mounts) mounts.push_back({mount.source, mount.target, mount.access});
  return mounts;
}

std::vector<std::string> environment_of(const SandboxCommand& command, const HostSettings& host) {
  auto environment = command.environment;
  auto add = [&](std::string_view name, std::string_view value) {
    const auto prefix = concat(name, "=");
    for (const auto& entry : environment)
      if (entry.starts_with(prefix)) return;
    environment.push_back(prefix + std::string(value));
  };
  add("PATH", kDefaultSearchPath);
  if (!host.ca_bundle.empty())
    for (const auto* name : kCaVariables) add(name, kSandboxCaBundle);
  if (command.network == Network::host)
    for (const auto& [name, value] : host.proxies) add(name, value);
  return environment;
}

// overlayfs refuses a directory that is named twice. The upper of two equal layers brings everything back
// that the layers between them changed, so the lower one makes no difference.
void keep_topmost(std::vector<fs::path>& lower) {
  std::set<fs::path> seen;
  std::vector<fs::path> kept;
  for (auto path = lower.rbegin(); path != lower.rend(); ++path)
    if (seen.insert(*path).second) kept.push_back(*path);
  lower.assign(kept.rbegin(), kept.rend());
}

// Links every lower directory under a short name, because all of them must fit into one page of mount
// options.
std::string overlay_options(const RunPaths& paths, const std::vector<fs::path>& lower) {
  std::string options = "lowerdir=";
  for (std::size_t i = lower.size(); i-- > 0;) {  // overlayfs wants the topmost first
    const auto name = std::to_string(i);
    fs::create_symlink(fs::absolute(lower[i]), paths.links / name);
    options += concat("l/", name, i == 0 ? "" : ":");
  }
  // Without these the upper directory would say things that a layer cannot.
  options += ",upperdir=upper,workdir=work,redirect_dir=off,metacopy=off,index=off,xino=off";
  if (options.size() + std::string_view(",volatile").size() > kMaxMountOptions)
    throw Error(ErrorCode::unsupported,
                concat("an image of ", lower.size(), " layers is too deep to run commands in"))
        .with_hint("use a base image with fewer layers");
  return options;
}

// What the child does in its own namespaces before it becomes the runtime. Everything is prepared before the
// fork: only system calls are left.
class Mounter {
 public:
  Mounter(const RunPaths& paths, const std::string& options, const std::vector<Secret>& secrets)
      : base_(paths.base.string()),
        state_(paths.state.string()),
        options_(options),
        volatile_(options + ",volatile"),
        secrets_directory_(paths.secrets.string()),
        secrets_(secrets) {
    for (const auto& secret : secrets) secret_files_.push_back((paths.secrets / secret.id).string());
  }

  const char* operator()() const {
    ::umask(0022);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kStepPrivate;
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) return kStepProc;
    if (::mount("tmpfs", state_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=16m") != 0)
      return kStepState;
    if (!hide_control_groups()) return kStepCgroup;
    if (!secrets_.empty() && !write_secrets()) return kStepSecrets;
    if (::chdir(base_.c_str()) != 0) return kStepOverlay;
    // "volatile" (Linux 5.10) skips every sync of the upper directory.
    if (::mount("overlay", "root", "overlay", 0, volatile_.c_str()) != 0 &&
        (errno != EINVAL || ::mount("overlay", "root", "overlay", 0, options_.c_str()) != 0))
      return kStepOverlay;
    return ::chdir("/") == 0 ? nullptr : kStepOverlay;
  }

 private:
  // Runtimes insist on control groups, in a layout they know, though none are wanted: they get to see a
  // version 2 hierarchy that they can't write to, so nothing of a killed run stays behind in the host's.
  static bool hide_control_groups() {
    const char* where = "/sys/fs/cgroup";
    if (::mount("cgroup2", where, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 &&
        ::mount("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k") != 0)
      return errno == ENOENT;
    return ::mount(nullptr, where, nullptr,
                   MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
  }

  // Secrets are written here, to memory that goes with the mount namespace, and never to a disk.
  bool write_secrets() const {
    if (::mount("tmpfs", secrets_directory_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                "mode=0755,size=64m") != 0)
      return false;
    for (std::size_t i = 0; i < secrets_.size(); ++i) {
      const int fd = ::open(secret_files_[i].c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
      if (fd < 0) return false;
      const auto& content = secrets_[i].content;
      for (std::size_t done = 0; done < content.size();) {
        const auto count = ::write(fd, content.data() + done, content.size() - done);
        if (count <= 0) return false;
        done += static_cast<std::size_t>(count);
      }
      ::close(fd);
    }
    return true;
  }

  std::string base_, state_, options_, volatile_, secrets_directory_;
  const std::vector<Secret>& secrets_;
  std::vector<std::string> secret_files_;
};

Error explain(const StartError& error, const fs::path& work) {
  if (error.step() == kStepOverlay && error.error_number() == ENODEV)
    return Error(ErrorCode::unsupported, "this host's kernel has no overlayfs")
        .with_hint("load it with 'modprobe overlay', or use a kernel that has CONFIG_OVERLAY_FS");
  if (error.step() == kStepOverlay && (error.error_number() == EINVAL || error.error_number() == EOPNOTSUPP))
    return Error(ErrorCode::unsupported, concat("the file system of ", work.string(),
                                                " can't hold the upper directory of an overlay"))
        .with_hint(
            "set DASH_BUILD_HOME to a directory on ext4, xfs, btrfs or tmpfs; inside a container, to a "
            "volume");
  return error;
}

// What the runtime itself complained about; empty when the command ran.
std::string runtime_complaint(const fs::path& log) {
  std::string complaint;
  const auto content = read_file_if_exists(log).value_or("");
  for (const auto line : split_lines(content)) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    if (entry.is_object() && entry.value("level", "") == "error") complaint = entry.value("msg", "");
  }
  return complaint;
}

// Removes `name` in the directory `parent` of a tree that a command has written: a parent that is a symbolic
// link is left alone, whatever it points at.
void remove_below(const fs::path& tree, const char* parent, const std::string& name) {
  const UniqueFd root = open_file(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const UniqueFd directory(::openat(root.get(), parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory) remove_tree_at(directory.get(), name, (tree / parent / name).string());
}

// Removes from the upper directory what the runtime may have made there when the scaffold was hidden by a
// layer. The command itself can't touch these: they were mounts.
void remove_mount_points(const fs::path& upper, SandboxCommand::Secrets secrets) {
  for (const auto* name : {"proc", "sys", "dev", "tmp"}) remove_below(upper, ".", name);
  remove_below(upper, "run", "dash-build");
  if (secrets == SandboxCommand::Secrets::visible) remove_below(upper, "run", "secrets");
  for (const auto* name : kPrivateFiles) remove_below(upper, "etc", name);
}

}  // namespace

OciSandbox::OciSandbox(Snapshots& snapshots, fs::path work, const HostSettings& host, fs::path runtime)
    : snapshots_(snapshots), work_(std::move(work)), host_(host), runtime_(std::move(runtime)) {
  make_directories(work_);
}

std::optional<Error> OciSandbox::find_problem(const HostSettings& host) {
  if (::geteuid() != 0)
    return Error(ErrorCode::unsupported, "running commands in an image needs root")
        .with_hint("run it with sudo");
  if (!find_runtime(host))
    return Error(ErrorCode::unsupported, "no OCI runtime is installed: looked for crun and runc")
        .with_hint("install one, on Debian with 'apt-get install crun'");
  return std::nullopt;
}

SandboxResult OciSandbox::run(const SandboxCommand& wanted, std::stop_token stop) {
  if (auto problem = find_problem(host_)) throw std::move(*problem);
  auto command = wanted;
  if (host_.secrets.empty()) command.secrets = SandboxCommand::Secrets::hidden;
  TempDirectory directory(work_);
  const RunPaths paths(directory.path());
  paths.make();
  write_private_files(paths, command, host_);

  const auto mounts = bind_mounts(paths, command);
  for (const auto* point : {"/proc", "/sys", "/dev"}) add_mount_point(paths.scaffold, point, {});
  for (const auto& mount : mounts) add_mount_point(paths.scaffold, mount.target, mount.source);
  std::vector<fs::path> lower = {paths.scaffold};
  for (auto& tree : snapshots_.layers(command.layers, stop)) lower.push_back(std::move(tree));
  lower.insert(lower.end(), command.extra_layers.begin(), command.extra_layers.end());
  keep_topmost(lower);
  const std::vector<Secret> no_secrets;
  const Mounter mounter(paths, overlay_options(paths, lower),
                        command.secrets == SandboxCommand::Secrets::visible ? host_.secrets : no_secrets);

  write_file(paths.bundle / "config.json",
             to_json({paths.root, command.argv, environment_of(command, host_), command.directory,
                      command.uid, command.gid, command.network, mounts, host_.machine}));

  const auto runtime = runtime_.empty() ? find_runtime(host_).value() : runtime_;
  ProcessOptions options;
  options.argv = {runtime.string(), concat("--root=", paths.state.string()),
                  concat("--log=", paths.log.string()), "--log-format=json"};
  // Both mean: go on without control groups.
  options.argv.emplace_back(runtime.filename() == "crun" ? "--cgroup-manager=disabled" : "--rootless=true");
  for (const auto& word : {std::string("run"), std::string("--no-new-keyring"), std::string("--bundle"),
                           paths.bundle.string(), paths.base.filename().string()})
    options.argv.push_back(word);
  options.environment = {concat("PATH=", host_path(host_))};
  options.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
  options.prepare = [&mounter] { return mounter(); };
  options.input = command.input;
  options.input_fd = command.input_fd;
  options.on_stdout = command.on_output;
  options.on_stderr = command.on_output;
  options.on_stdout_bytes = command.on_stdout_bytes;

  SandboxResult result;
  try {
    auto ended = run_process(options, stop);
    result.exit_code = ended.exit_code;
    result.tail = std::move(ended.tail);
  } catch (const StartError& error) {
    throw explain(error, work_);
  }
  if (result.exit_code != 0 &&
      (is_full(work_) || contains(result.tail, std::generic_category().message(ENOSPC))))
    throw no_space(concat("the disk of ", work_.string(), " became full while a command ran"))
        .with_output(result.tail);
  if (result.exit_code != 0) {
    const auto complaint = runtime_complaint(paths.log);
    if (contains(complaint, "executable file"))
      result.exit_code = 127;  // as shells say "command not found"
    else if (!complaint.empty())
      throw Error(ErrorCode::unsupported, concat(runtime.filename().string(), " can't run the command ",
                                                 dash::quoted(shell_join(command.argv)), ": ", complaint))
          .with_hint("run 'dash-build doctor' to see what this host lacks");
  }
  if (command.changes == Changes::keep) {
    remove_mount_points(paths.upper, command.secrets);
    for (const auto& unused : {paths.scaffold, paths.overlay_work, paths.tmp, paths.shared, paths.secrets})
      remove_tree(unused);
    result.changes = paths.upper;
    result.change_owner.emplace(std::move(directory));
  }
  return result;
}

}  // namespace dash::builder
