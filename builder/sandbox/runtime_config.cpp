#include "builder/sandbox/runtime_config.hpp"

#include <array>

#include <nlohmann/json.hpp>

namespace dash::builder {

namespace {

using Json = nlohmann::ordered_json;

// What package scripts need. Without CAP_MKNOD: there is no device cgroup, so a device node would reach the
// host's disks.
constexpr std::array kCapabilities = {"CAP_CHOWN",      "CAP_DAC_OVERRIDE", "CAP_FOWNER",
                                      "CAP_FSETID",     "CAP_KILL",         "CAP_SETGID",
                                      "CAP_SETUID",     "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE",
                                      "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE",  "CAP_SETFCAP"};

// Refused with EPERM: what administers the machine, changes mounts or namespaces, reaches objects of other
// processes by handle, or has been a frequent way out of containers. All else is allowed: builds use much.
constexpr std::array kRefusedCalls = {"acct",
                                      "add_key",
                                      "bpf",
                                      "clock_adjtime",
                                      "clock_settime",
                                      "create_module",
                                      "delete_module",
                                      "fanotify_init",
                                      "finit_module",
                                      "fsconfig",
                                      "fsmount",
                                      "fsopen",
                                      "fspick",
                                      "get_kernel_syms",
                                      "init_module",
                                      "io_uring_enter",
                                      "io_uring_register",
                                      "io_uring_setup",
                                      "ioperm",
                                      "iopl",
                                      "kcmp",
                                      "kexec_file_load",
                                      "kexec_load",
                                      "keyctl",
                                      "lookup_dcookie",
                                      "mount",
                                      "mount_setattr",
                                      "move_mount",
                                      "name_to_handle_at",
                                      "nfsservctl",
                                      "open_by_handle_at",
                                      "open_tree",
                                      "perf_event_open",
                                      "pivot_root",
                                      "query_module",
                                      "quotactl",
                                      "quotactl_fd",
                                      "reboot",
                                      "request_key",
                                      "setns",
                                      "settimeofday",
                                      "stime",
                                      "swapoff",
                                      "swapon",
                                      "syslog",
                                      "umount",
                                      "umount2",
                                      "unshare",
                                      "uselib",
                                      "userfaultfd",
                                      "vhangup",
                                      "vm86",
                                      "vm86old"};

// As other container engines have them.
constexpr std::array kMaskedPaths = {"/proc/acpi",
                                     "/proc/asound",
                                     "/proc/interrupts",
                                     "/proc/kcore",
                                     "/proc/keys",
                                     "/proc/latency_stats",
                                     "/proc/sched_debug",
                                     "/proc/scsi",
                                     "/proc/timer_list",
                                     "/proc/timer_stats",
                                     "/sys/devices/virtual/powercap",
                                     "/sys/firmware"};
constexpr std::array kReadOnlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                       "/proc/sysrq-trigger"};

constexpr unsigned kNewUserNamespace = 0x10000000;  // CLONE_NEWUSER
constexpr int kErrnoPermission = 1;                 // EPERM
constexpr int kErrnoNoCall = 38;                    // ENOSYS

Json seccomp(const std::string& machine) {
  Json architectures = machine == "aarch64" ? Json{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}
                                            : Json{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  Json refused = {{"names", kRefusedCalls}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kErrnoPermission}};
  Json user_namespace = {{"names", {"clone"}},
                         {"action", "SCMP_ACT_ERRNO"},
                         {"errnoRet", kErrnoPermission},
                         {"args", Json::array({{{"index", 0},
                                                {"value", kNewUserNamespace},
                                                {"valueTwo", kNewUserNamespace},
                                                {"op", "SCMP_CMP_MASKED_EQ"}}})}};
  // Its flags are behind a pointer, which a filter can't follow; the C library falls back to clone.
  Json clone3 = {{"names", {"clone3"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kErrnoNoCall}};
  return {{"defaultAction", "SCMP_ACT_ALLOW"},
          {"architectures", architectures},
          {"syscalls", Json::array({refused, user_namespace, clone3})}};
}

Json mount(const char* target, const char* type, const char* source, std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

Json mounts(const RuntimeConfig& config) {
  Json all = Json::array();
  all.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  all.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  all.push_back(mount("/dev/pts", "devpts", "devpts",
                      {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}));
  all.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777"}));
  all.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  all.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  for (const auto& bind : config.mounts) {
    std::vector<std::string> options = {"rbind", "rprivate", "nosuid", "nodev"};
    options.emplace_back(bind.access == SandboxMount::Access::read_only ? "ro" : "rw");
    all.push_back(mount(bind.target.c_str(), "bind", bind.source.c_str(), std::move(options)));
  }
  return all;
}

Json process(const RuntimeConfig& config) {
  const Json granted = config.uid == 0 ? Json(kCapabilities) : Json::array();
  return {{"terminal", false},
          {"user", {{"uid", config.uid}, {"gid", config.gid}, {"umask", 0022}}},
          {"args", config.argv},
          {"env", config.environment},
          {"cwd", config.directory},
          {"capabilities",
           {{"bounding", kCapabilities},
            {"effective", granted},
            {"permitted", granted},
            {"inheritable", Json::array()}}},
          {"noNewPrivileges", true}};
}

}  // namespace

std::string to_json(const RuntimeConfig& config) {
  Json namespaces =
      Json::array({{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "ipc"}}, {{"type", "uts"}}});
  if (config.network == Network::none) namespaces.push_back({{"type", "network"}});
  const Json document = {{"ociVersion", "1.0.2"},
                         {"process", process(config)},
                         {"root", {{"path", config.root.string()}, {"readonly", false}}},
                         {"hostname", kSandboxHostname},
                         {"mounts", mounts(config)},
                         {"linux",
                          {{"namespaces", namespaces},
                           {"seccomp", seccomp(config.machine)},
                           {"maskedPaths", kMaskedPaths},
                           {"readonlyPaths", kReadOnlyPaths}}}};
  // Arguments and names may hold any bytes; JSON can't, and neither could the runtime read them.
  return document.dump(1, ' ', false, Json::error_handler_t::strict);
}

}  // namespace dash::builder
