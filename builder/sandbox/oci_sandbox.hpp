// The sandbox over an OCI runtime (crun, else runc) and overlayfs.
//
// Each run happens in a process, mount and IPC namespace of its own, whose process 1 is the runtime: the
// overlay is mounted there, never on the host. When this process ends for whatever reason, also SIGKILL, the
// kernel kills the runtime, with it everything in the process namespace, and the mounts go with the mount
// namespace.
#pragma once

#include "base/error.hpp"
#include "builder/host.hpp"
#include "builder/sandbox.hpp"
#include "builder/sandbox/snapshots.hpp"

#include <optional>
#include <string>

namespace dash::builder {

// What a command gets besides its own settings (docs/sandbox.md): root without CAP_MKNOD, CAP_SYS_* and
// CAP_NET_ADMIN, no new privileges, a seccomp deny list, masked /proc paths, umask 022, a disk-backed /tmp
// that is thrown away, private copies of /etc/hosts, /etc/resolv.conf and /etc/hostname. fsync does nothing
// in it (a run that is cut short is thrown away anyhow), which makes dpkg several times faster.
class OciSandbox : public Sandbox {
 public:
  // `work` is where the runs' directories go, on a file system that can hold an overlay's upper directory
  // (ext4, xfs, btrfs, tmpfs) and the same as the snapshots'. References must outlive this object.
  // `runtime` names the OCI runtime's program; empty: the first of crun and runc that is installed.
  OciSandbox(Snapshots& snapshots, fs::path work, const HostSettings& host, fs::path runtime = {});

  SandboxResult run(const SandboxCommand& command, std::stop_token stop) override;

  // Why this host can't run commands, as far as that can be told without trying; nothing when all looks well.
  static std::optional<Error> find_problem(const HostSettings& host);

 private:
  Snapshots& snapshots_;
  fs::path work_;
  const HostSettings& host_;
  fs::path runtime_;
};

}  // namespace dash::builder
