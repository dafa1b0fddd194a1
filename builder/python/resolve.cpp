#include "builder/python/resolve.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/python/source_copies.hpp"
#include "builder/python/uv_run.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kResolveDirectory = "/run/dash-build/resolve";
constexpr const char* kRuntimeDirectory = "/run/dash-build/python";
constexpr const char* kLockFile = "pylock.toml";

struct Attempt {
  int exit_code = 0;
  std::string errors;  // standard error
};

std::string interpreter_of(const ResolveRequest& request) {
  const auto& executable = request.interpreter.executable;
  if (request.runtime.empty()) return executable;
  return concat(kRuntimeDirectory, executable.substr(std::string_view(kPythonPrefix).size()));
}

Attempt run_resolver(const Workbench& bench, const ResolveRequest& request, const fs::path& work,
                     const std::vector<std::string>& extra) {
  std::string lines;
  for (const std::string& line : extra) lines += line + '\n';
  write_file_atomic(work / "resolve/extra.txt", lines);

  UvCommand uv(bench, request.uv);
  std::vector<std::string> arguments{"pip", "compile"};
  arguments.insert(arguments.end(), request.requirement_files.begin(), request.requirement_files.end());
  for (const std::string& argument :
       {concat(kResolveDirectory, "/extra.txt"), std::string("--output-file"),
        concat(kResolveDirectory, '/', kLockFile), std::string("--format"), std::string("pylock.toml"),
        std::string("--no-header"), std::string("--no-annotate"), std::string("--python"),
        interpreter_of(request), std::string("--index-strategy"),
        std::string(request.index_strategy == IndexStrategy::first_index ? "first-index"
                                                                         : "unsafe-best-match")})
    arguments.push_back(argument);

  Attempt attempt;
  SandboxCommand command = uv.command(arguments);
  for (const auto& [name, value] : request.variables) command.environment.push_back(concat(name, '=', value));
  command.layers = request.layers;
  command.extra_layers = request.extra_layers;
  command.directory = kAppDirectory;
  const bool copied = request.app == ResolveRequest::App::copy;
  command.mounts.push_back({copied ? work / "app" : request.app_directory, kAppDirectory,
                            copied ? SandboxMount::Access::read_write : SandboxMount::Access::read_only});
  if (!request.runtime.empty())
    command.mounts.push_back({request.runtime, kRuntimeDirectory, SandboxMount::Access::read_only});
  command.mounts.push_back({work / "resolve", kResolveDirectory, SandboxMount::Access::read_write});
  command.on_stdout_bytes = [](std::string_view) {};  // the lock again
  command.on_output = [&](std::string_view line) { uv.collect(request.step, line, attempt.errors); };
  attempt.exit_code = bench.sandbox.run(command, bench.stop).exit_code;
  return attempt;
}

}  // namespace

Lock resolve(const Workbench& bench, const ResolveRequest& request) {
  const TempDirectory work = bench.store.work_directory();
  const fs::path lock = work.path() / "resolve" / kLockFile;
  make_directories(lock.parent_path());
  if (!request.previous_lock.empty()) write_file_atomic(lock, request.previous_lock);
  if (request.app == ResolveRequest::App::copy)
    copy_tree(request.app_directory, work.path() / "app", bench.stop);
  std::vector<std::string> extra = request.extra_requirements;
  extra.insert(extra.end(), request.optional_requirements.begin(), request.optional_requirements.end());
  Attempt attempt = run_resolver(bench, request, work.path(), extra);
  const bool without_optional =
      attempt.exit_code != 0 &&
      std::ranges::any_of(request.optional_requirements, [&](const std::string& name) {
        return contains(attempt.errors, concat(name, " was not found"));
      });
  if (without_optional) {
    bench.warn(request.step, concat("No package index has ", join(request.optional_requirements, ", "),
                                    "; the environment is made without"));
    attempt = run_resolver(bench, request, work.path(), request.extra_requirements);
  }
  if (attempt.exit_code != 0) throw uv_failure("cannot resolve the Python requirements", attempt.errors);
  return Lock::parse(read_file(lock), kResolveDirectory);
}

}  // namespace dash::builder
