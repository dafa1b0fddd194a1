// Running a command in a root file system made of layers, and getting its file system change back.
#pragma once

#include "base/file.hpp"
#include "oci/descriptor.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// A host path that the command sees.
struct SandboxMount {
  fs::path source;
  std::string target;  // absolute path in the sandbox; made when missing, and never part of the change
  enum class Access { read_only, read_write } access = Access::read_only;
};

enum class Network { none, host };
// What becomes of the command's changes to the root file system.
enum class Changes { discard, keep };

struct SandboxCommand {
  std::vector<oci::Layer> layers;        // the root file system, lowest first; blobs must be in the store
  std::vector<fs::path> extra_layers;    // unpacked trees on top of them (overlay form), lowest first
  std::vector<std::string> argv;         // looked up in PATH of `environment`, inside
  std::vector<std::string> environment;  // complete, except what the sandbox adds (see Sandbox)
  std::string directory = "/";
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Network network = Network::none;
  Changes changes = Changes::discard;
  // `visible` shows HostSettings::secrets at /run/secrets, to root only; never part of the change.
  enum class Secrets { hidden, visible } secrets = Secrets::hidden;
  std::vector<SandboxMount> mounts;
  std::string input;  // standard input
  int input_fd = -1;  // standard input instead of `input`: stays the caller's, who may write to its other end
  std::function<void(std::string_view line)> on_output;         // lines of both streams, live
  std::function<void(std::string_view bytes)> on_stdout_bytes;  // standard output raw instead of as lines
};

struct SandboxResult {
  int exit_code = 0;
  std::string tail;  // last output, for errors
  // With Changes::keep: the overlay upper directory, below a directory that is removed with this result.
  // Without the mount points that the sandbox made and without /etc/hosts, /etc/resolv.conf and
  // /etc/hostname.
  std::optional<TempDirectory> change_owner;
  fs::path changes;
};

// Host certificates, resolver and proxies are visible to the command and never in its change: the bundle at
// kSandboxCaBundle, with the variables that common programs read for it, and /etc/resolv.conf and /etc/hosts
// of the host when the network is `host`. The command can't gain privileges on the host; nothing it starts
// outlives it, nor this process, also when that is killed with SIGKILL; no mount is left behind.
// Implementations are thread-safe.
class Sandbox {
 public:
  virtual ~Sandbox() = default;
  // Runs the command; a failing exit code is a value. Error(unsupported) when the host can't do it, with a
  // hint.
  virtual SandboxResult run(const SandboxCommand& command, std::stop_token stop) = 0;
};

inline constexpr const char* kSandboxCaBundle = "/run/dash-build/ca-certificates.crt";

}  // namespace dash::builder
