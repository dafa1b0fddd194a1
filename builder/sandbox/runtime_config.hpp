// The configuration that tells an OCI runtime how to run a sandboxed command (runtime-spec config.md).
#pragma once

#include "builder/sandbox.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// A bind mount in the container.
struct RuntimeMount {
  fs::path source;
  std::string target;
  SandboxMount::Access access = SandboxMount::Access::read_only;
};

struct RuntimeConfig {
  fs::path root;  // the mounted root file system
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // complete
  std::string directory;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Network network = Network::none;
  std::vector<RuntimeMount> mounts;  // in this order, after /proc, /sys and /dev
  std::string machine;               // "x86_64" or "aarch64": decides the seccomp architectures
};

inline constexpr const char* kSandboxHostname = "dash-build";

// config.json.
std::string to_json(const RuntimeConfig& config);

}  // namespace dash::builder
