#include "builder/python/build_wheel.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/source_tree.hpp"
#include "builder/image_config.hpp"
#include "builder/python/source_copies.hpp"
#include "builder/python/uv_run.hpp"
#include "builder/python/wheel.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

// Changes when the same source would give another wheel.
constexpr std::string_view kRecipe = "wheel 3";
constexpr const char* kOutput = "/out";
// Wheels are zip archives, whose times start in 1980.
constexpr std::int64_t kFirstZipTime = 315532800;

// Clones exactly one commit, with submodules, as pip does.
constexpr const char* kClone =
    "set -e; git clone --quiet --no-checkout -- \"$1\" \"$3\"; cd \"$3\"; git checkout --quiet --detach "
    "\"$2\"; "
    "git submodule --quiet update --init --recursive";

std::string project_name(const WheelSource& source) {
  return source.version.empty() ? source.name : concat(source.name, '-', source.version);
}

std::string title(const WheelSource& source) {
  return source.version.empty() ? source.name : concat(source.name, "==", source.version);
}

Sha256 project_digest(const Workbench& bench, const BuildContext& context, const std::string& directory) {
  const AppDirectory app(context.app_directory);
  return SourceTree::scan_below(app, directory, context.ignore, bench.stop)
      .digest(app, bench.pool, bench.stop);
}

std::string build_key(const Workbench& bench, const BuildContext& context, const WheelSource& source) {
  std::string leaves = concat(kRecipe, '\n', context.interpreter.identity(), '\n', project_name(source), '\n',
                              source.subdirectory, '\n', bench.host.source_date_epoch, '\n');
  if (source.vcs)
    leaves += concat("vcs ", source.vcs->url, source.vcs->path, ' ', source.vcs->commit_id, '\n');
  else if (!source.directory.empty())
    leaves += concat("directory ", to_hex(project_digest(bench, context, source.directory)), '\n');
  else
    leaves += concat("archive ", to_hex(source.sha256), '\n');
  for (const oci::Layer& layer : context.layers) leaves += concat("layer ", layer.diff_id.to_string(), '\n');
  for (const std::string& package : toolchain_packages()) leaves += concat("tool ", package, '\n');
  return to_hex(sha256(leaves));
}

fs::path find_wheel(const fs::path& directory) {
  if (fs::is_directory(directory))
    for (const fs::directory_entry& entry : fs::directory_iterator(directory))
      if (entry.path().extension() == ".whl") return entry.path();
  return {};
}

class WheelBuild {
 public:
  WheelBuild(const Workbench& bench, const BuildContext& context, const WheelSource& source)
      : bench_(bench),
        context_(context),
        source_(source),
        uv_(bench, context.uv, context.settings),
        work_(bench.store.work_directory()),
        inside_(concat("/build/", project_name(source))) {
    make_directories(work_.path() / "out");
    if (!context.toolchain)
      throw Error(ErrorCode::unsupported,
                  concat(project_name(source), " must be built, and there is no toolchain"))
          .with_hint("Pin a version that has a wheel.");
    toolchain_ = context.toolchain(context.layers, toolchain_packages());
  }

  void get_source() {
    const fs::path tree = work_.path() / "source";
    if (source_.vcs) {
      make_directories(tree);
      clone();
    } else if (!source_.directory.empty()) {
      const AppDirectory app(context_.app_directory);
      const auto files = SourceTree::scan_below(app, source_.directory, context_.ignore, bench_.stop);
      copy_tree(app.path() / source_.directory, files, tree, bench_.stop);
    } else {
      unpack_source(source_.archive, tree, bench_.stop);
    }
  }

  fs::path run() {
    const std::string project =
        source_.subdirectory.empty() ? inside_ : concat(inside_, '/', source_.subdirectory);
    SandboxCommand command = uv_.command({"build", "--wheel", "--no-create-gitignore", "--out-dir", kOutput,
                                          "--python", context_.interpreter.executable, project});
    command.mounts.push_back({work_.path() / "out", kOutput, SandboxMount::Access::read_write});
    std::erase_if(command.environment,
                  [](const std::string& v) { return v.starts_with("SOURCE_DATE_EPOCH="); });
    const std::int64_t epoch = std::max(bench_.host.source_date_epoch, kFirstZipTime);
    for (const std::string& variable :
         {std::string("CFLAGS=-g0"), std::string("CXXFLAGS=-g0"), concat("SOURCE_DATE_EPOCH=", epoch)})
      command.environment.push_back(variable);
    const SandboxResult result = run_in_toolchain(std::move(command));
    const fs::path wheel = find_wheel(work_.path() / "out");
    if (result.exit_code != 0 || wheel.empty())
      throw build_failure(source_.place, title(source_),
                          without_credentials(read_uv_errors(result.tail).text), versions_with_wheel());
    return wheel;
  }

 private:
  void clone() {
    const LockedVcs& vcs = *source_.vcs;
    SandboxCommand command = uv_.command({});
    command.argv = {"sh", "-c", kClone, "sh", vcs.url.empty() ? vcs.path : vcs.url, vcs.commit_id, inside_};
    for (const fs::path& repository : context_.repositories)
      command.mounts.push_back({repository, repository.string(), SandboxMount::Access::read_only});
    const SandboxResult result = run_in_toolchain(std::move(command));
    const std::string output = without_credentials(result.tail);
    if (result.exit_code != 0)
      throw git_failure(source_.place, vcs.url.empty() ? vcs.path : vcs.url, output, output);
  }

  std::vector<std::string> versions_with_wheel() const {
    if (source_.from != WheelSource::From::index || !context_.versions_with_wheel) return {};
    return context_.versions_with_wheel(source_.name);
  }

  SandboxResult run_in_toolchain(SandboxCommand command) {
    command.layers = context_.layers;
    command.extra_layers = {toolchain_};
    command.secrets = SandboxCommand::Secrets::visible;
    command.mounts.push_back({work_.path() / "source", inside_, SandboxMount::Access::read_write});
    command.on_output = [this, failed = false](std::string_view line) mutable {
      // From here on uv explains; the Error says it better.
      failed = failed || line.starts_with(concat("error: Failed to build `", inside_));
      if (!failed) bench_.log(context_.step, without_credentials(line));
    };
    return bench_.sandbox.run(command, bench_.stop);
  }

  const Workbench& bench_;
  const BuildContext& context_;
  const WheelSource& source_;
  UvCommand uv_;
  TempDirectory work_;
  std::string inside_;
  fs::path toolchain_;
};

}  // namespace

std::vector<std::string> toolchain_packages() {
  return {"build-essential", "ca-certificates", "git", "pkg-config", "python3-dev"};
}

fs::path build_wheel(const Workbench& bench, const BuildContext& context, const WheelSource& source) {
  const fs::path built = bench.store.packages() / "built";
  const fs::path destination = built / build_key(bench, context, source);
  if (bench.store.claim(destination))
    if (const fs::path wheel = find_wheel(destination); !wheel.empty()) return wheel;
  bench.log(context.step, concat("Building ", project_name(source)));
  WheelBuild build(bench, context, source);
  build.get_source();
  const fs::path wheel = build.run();
  const Wheel checked(wheel);  // what is kept can be installed

  make_directories(built);
  const std::string file_name = wheel.filename().string();
  TempDirectory staged(built);
  write_file_atomic(staged.path() / file_name, read_file(wheel, kMaxZipTotalSize));
  boost::system::error_code error;
  fs::rename(staged.path(), destination, error);
  if (!error) {
    staged.release();
    sync_directory(built);
  }
  // Another process may have built the same meanwhile.
  const fs::path kept = find_wheel(destination);
  if (kept.empty())
    throw Error(ErrorCode::internal, concat("cannot keep ", file_name, " in ", destination.string()));
  return kept;
}

}  // namespace dash::builder
