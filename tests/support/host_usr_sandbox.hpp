// The real sandbox over a root file system that borrows the host's /usr: fast to make, and has Python and a
// compiler.
#pragma once

#include "builder/sandbox/oci_sandbox.hpp"
#include "tests/support/host_settings.hpp"

#include <atomic>

namespace dash::testing {

class HostUsrSandbox : public builder::Sandbox {
 public:
  HostUsrSandbox(const fs::path& home, const oci::BlobStore& blobs, const builder::HostSettings& host)
      : root_(home / "host-usr-root"),
        snapshots_(home / "snapshots", blobs),
        sandbox_(snapshots_, home / "sandbox-work", host) {
    for (const auto* directory : {"etc", "root", "tmp", "run"}) make_directories(root_ / directory);
    for (const auto* name : {"bin", "sbin", "lib", "lib64"})
      fs::create_symlink(fs::path("usr") / name, root_ / name);
    write_file_atomic(root_ / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  }

  builder::SandboxResult run(const builder::SandboxCommand& command, std::stop_token stop) override {
    ++runs_;
    builder::SandboxCommand changed = command;
    changed.extra_layers.insert(changed.extra_layers.begin(), root_);
    changed.mounts.insert(changed.mounts.begin(), {"/usr", "/usr", builder::SandboxMount::Access::read_only});
    return sandbox_.run(changed, std::move(stop));
  }

  int runs() const { return runs_; }

 private:
  fs::path root_;
  builder::Snapshots snapshots_;
  builder::OciSandbox sandbox_;
  std::atomic<int> runs_ = 0;
};

}  // namespace dash::testing
