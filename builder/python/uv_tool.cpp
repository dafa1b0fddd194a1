#include "builder/python/uv_tool.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/packages/zip.hpp"
#include "builder/python/uv_release.hpp"

#include <algorithm>

#include <unistd.h>

namespace dash::builder {
namespace {

constexpr const char* kHint =
    "Install python3-pip on this machine and make a package index reachable for it (pip configuration, "
    "PIP_INDEX_URL, "
    "proxy), or name an installed uv.";

const UvWheel& pinned_wheel(const std::string& machine) {
  const auto* found = std::ranges::find(kUvWheels, machine, &UvWheel::machine);
  if (found == std::end(kUvWheels))
    throw Error(ErrorCode::unsupported, concat("there is no pinned uv for ", machine))
        .with_hint("Name an installed uv.");
  return *found;
}

// Fetches and unpacks the pinned release.
fs::path fetch(const Workbench& bench, const fs::path& program, const std::string& step) {
  bench.log(step, concat("Fetching uv ", kUvVersion));
  make_directories(program.parent_path());
  const TempDirectory work(bench.store.tools());
  const ZipReader zip(download_uv_wheel(bench, work.path()));
  const std::string entry = concat("uv-", kUvVersion, ".data/scripts/uv");
  const ZipEntry* found = zip.find(entry);
  if (found == nullptr)
    throw Error(ErrorCode::corrupt, concat(zip.name(), " has no ", entry)).with_hint(kHint);
  write_file_atomic(program, zip.read(*found), 0755);
  return program;
}

}  // namespace

// pip finds the index, the proxy and the credentials of this machine, and checks the hash.
fs::path download_uv_wheel(const Workbench& bench, const fs::path& directory) {
  const UvWheel& wheel = pinned_wheel(bench.host.machine);
  const fs::path requirement = directory / "requirements.txt";
  write_file_atomic(requirement, concat("uv==", kUvVersion, " --hash=sha256:", wheel.sha256, '\n'));
  ProcessOptions pip;
  pip.argv = {"python3",       "-m",
              "pip",           "download",
              "--quiet",       "--disable-pip-version-check",
              "--no-deps",     "--only-binary",
              ":all:",         "--require-hashes",
              "--dest",        directory.string(),
              "--requirement", requirement.string()};
  pip.environment = bench.host.environment;
  pip.directory = directory;
  ProcessResult result;
  try {
    result = run_process(pip, bench.stop);
  } catch (Error& error) {
    if (error.code() == ErrorCode::not_found)
      throw Error(ErrorCode::unavailable, "uv cannot be fetched: this machine has no python3")
          .with_hint(kHint);
    throw;
  }
  if (!result.ok())
    throw Error(ErrorCode::unavailable, concat("uv ", kUvVersion, " cannot be fetched with pip"))
        .with_output(result.tail)
        .with_hint(kHint);
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".whl") return entry.path();
  throw Error(ErrorCode::unavailable, "pip downloaded no uv wheel").with_output(result.tail).with_hint(kHint);
}

UvTool::UvTool(const Workbench& bench, fs::path system_uv, std::string step)
    : bench_(bench), system_uv_(std::move(system_uv)), step_(std::move(step)) {}

UvTool::~UvTool() {
  stop_.request_stop();
  if (ahead_.valid()) ahead_.wait();
}

fs::path UvTool::kept_program() const {
  return bench_.store.tools() / concat("uv-", kUvVersion) / "uv";
}

void UvTool::fetch_ahead() {
  if (!system_uv_.empty() || ahead_.valid() || bench_.network == Network::none || fs::exists(kept_program()))
    return;
  stop_with_build_.emplace(bench_.stop, [this] { stop_.request_stop(); });
  ahead_ = std::async(std::launch::async, [this, program = kept_program()] {
    Workbench bench = bench_;
    bench.stop = stop_.get_token();
    return fetch(bench, program, step_);
  });
}

fs::path UvTool::program() {
  if (!system_uv_.empty()) {
    if (::access(system_uv_.c_str(), X_OK) != 0)
      throw Error(ErrorCode::usage,
                  concat("the uv named in the settings is not a program: ", system_uv_.string()))
          .with_hint("Name an executable file, or none to use the pinned release.");
    return system_uv_;
  }
  if (ahead_.valid()) return ahead_.get();
  const fs::path kept = kept_program();
  if (fs::exists(kept)) return kept;
  if (bench_.network == Network::none)
    throw Error(ErrorCode::unavailable,
                concat("uv ", kUvVersion, " is not in the store, and the build is offline"))
        .with_hint("Build once online with this store, or name an installed uv.");
  return fetch(bench_, kept, step_);
}

}  // namespace dash::builder
