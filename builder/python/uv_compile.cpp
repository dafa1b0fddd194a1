#include "builder/python/uv_compile.hpp"

#include "base/text.hpp"
#include "builder/image_config.hpp"

namespace dash::builder {
namespace {

constexpr const char* kInstalledWheels = "/run/dash-build/installed";
constexpr const char* kRuntimeDirectory = "/run/dash-build/python";
constexpr std::size_t kMaxOutput = std::size_t{64} * 1024;

}  // namespace

UvCompile::UvCompile(const Workbench& bench, const ResolveRequest& request, const UvSettings& settings)
    : bench_(bench),
      request_(request),
      settings_(settings),
      work_(bench.store.work_directory()),
      directory_(work_.path() / "resolve"),
      uv_(bench, request.uv, settings) {
  make_directories(directory_);
}

const fs::path& UvCompile::copy_app() {
  copy_ = work_.path() / "sources/app";
  make_directories(copy_);
  return copy_;
}

std::string UvCompile::interpreter() const {
  const auto& executable = request_.interpreter.executable;
  if (request_.runtime.empty()) return executable;
  return concat(kRuntimeDirectory, executable.substr(std::string_view(kPythonPrefix).size()));
}

void UvCompile::show_app(SandboxCommand& command) const {
  if (request_.sources == ResolveRequest::Sources::layered) {
    if (!copy_.empty()) command.extra_layers.push_back(copy_.parent_path());
    return;
  }
  // First, because other directories may be mounted below.
  command.mounts.insert(command.mounts.begin(),
                        {copy_.empty() ? request_.app_directory : copy_, kAppDirectory,
                         copy_.empty() ? SandboxMount::Access::read_only : SandboxMount::Access::read_write});
}

UvCompile::Attempt UvCompile::run(const std::string& file, const std::vector<std::string>& more,
                                  const std::function<void(std::string_view)>& log) const {
  std::vector<std::string> arguments{"pip",         "compile",       concat(kDirectory, '/', file),
                                     "--no-header", "--no-annotate", "--python",
                                     interpreter()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  if (!request_.installed_wheels.empty())
    arguments.insert(arguments.end(), {"--find-links", kInstalledWheels});
  arguments.insert(arguments.end(), settings_.compile_arguments.begin(), settings_.compile_arguments.end());
  if (!settings_.environment.contains("UV_INDEX_STRATEGY"))
    arguments.insert(
        arguments.end(),
        {"--index-strategy",
         request_.index_strategy == IndexStrategy::first_index ? "first-index" : "unsafe-best-match"});
  SandboxCommand command = uv_.command(arguments);
  for (const auto& name : request_.requirements.variables)
    if (const auto found = bench_.host.variables.find(name); found != bench_.host.variables.end())
      command.environment.push_back(concat(name, '=', found->second));
  command.layers = request_.layers;
  command.extra_layers = request_.extra_layers;
  command.directory = kAppDirectory;
  command.secrets = SandboxCommand::Secrets::visible;  // uv may run builds to learn what a project requires
  show_app(command);
  if (!request_.installed_wheels.empty())
    command.mounts.push_back({request_.installed_wheels, kInstalledWheels, SandboxMount::Access::read_only});
  for (const auto& repository : request_.requirements.repositories)
    command.mounts.push_back({repository, repository.string(), SandboxMount::Access::read_only});
  if (!request_.runtime.empty())
    command.mounts.push_back({request_.runtime, kRuntimeDirectory, SandboxMount::Access::read_only});
  command.mounts.push_back({directory_, kDirectory, SandboxMount::Access::read_write});

  Attempt attempt;
  command.on_stdout_bytes = [&](std::string_view bytes) {
    if (attempt.output.size() < kMaxOutput) attempt.output += bytes;
  };
  command.on_output = [&](std::string_view line) {
    // The Error says it better.
    if (attempt.errors.empty() && !line.starts_with("error: ")) return log(line);
    if (attempt.errors.size() < kMaxOutput) attempt.errors += without_credentials(line) + '\n';
  };
  attempt.exit_code = bench_.sandbox.run(command, bench_.stop).exit_code;
  return attempt;
}

}  // namespace dash::builder
