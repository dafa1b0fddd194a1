#include "builder/python/resolve.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/source_tree.hpp"
#include "builder/image_config.hpp"
#include "builder/python/resolve_failure.hpp"
#include "builder/python/source_copies.hpp"
#include "builder/python/uv_run.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kDirectory = kResolveDirectory;
constexpr const char* kFindLinks = "/run/dash-build/provided";
constexpr const char* kRuntimeDirectory = "/run/dash-build/python";
constexpr const char* kLockFile = "pylock.toml";
// How many versions a message offers.
constexpr std::size_t kOfferedVersions = 5;

struct Attempt {
  int exit_code = 0;
  std::string output;  // standard output
  std::string errors;  // from uv's "error:" line on
};

std::string interpreter_of(const ResolveRequest& request) {
  const auto& executable = request.interpreter.executable;
  if (request.runtime.empty()) return executable;
  return concat(kRuntimeDirectory, executable.substr(std::string_view(kPythonPrefix).size()));
}

// Asking a local project for its metadata writes into it.
bool is_project(const LocalSource& source) {
  return source.kind == FileKind::directory && source.use != LocalSource::Use::find_links;
}

class Resolver {
 public:
  Resolver(const Workbench& bench, const ResolveRequest& request)
      : bench_(bench),
        request_(request),
        work_(bench.store.work_directory()),
        uv_(bench, request.uv, request.settings) {
    make_directories(work_.path() / "resolve");
    std::string limits;
    for (const auto& line : request.requirements.lines)
      if (line.role == RequirementLine::Role::constrain) limits += line.text + '\n';
    for (const auto& line : request.settings.constraints) limits += line.text + '\n';
    if (!limits.empty()) write_file_atomic(work_.path() / "resolve/constraints.txt", limits);
    if (layered() || std::ranges::any_of(request.requirements.local, is_project)) copy_local_sources();
  }

  Lock run() {
    const fs::path lock = work_.path() / "resolve" / kLockFile;
    if (!request_.previous_lock.empty()) write_file_atomic(lock, request_.previous_lock);
    Attempt attempt = compile(request_.optional_requirements);
    const bool optional_unknown = std::ranges::any_of(
        request_.optional_requirements,
        [&](const std::string& name) { return contains(attempt.errors, concat(name, " was not found")); });
    if (attempt.exit_code != 0 && optional_unknown) {
      bench_.warn(request_.step, concat("No package index has ", join(request_.optional_requirements, ", "),
                                        "; the environment is made without"));
      attempt = compile({});
    }
    if (attempt.exit_code != 0) throw failure(attempt);
    return Lock::parse(read_file(lock), kDirectory);
  }

  // Asks again for the package alone, each time for an older version.
  std::vector<std::string> versions(const std::string& name, ResolveFailure::Choice choice) {
    std::vector<std::string> out;
    while (out.size() < kOfferedVersions) {
      std::string lines = concat(name, out.empty() ? "" : concat('<', out.back()), '\n');
      if (choice == ResolveFailure::Choice::wheels) lines += concat("--only-binary ", name, '\n');
      write_file_atomic(work_.path() / "resolve/question.txt", lines);
      const Attempt attempt = run_uv("question.txt", {}, [](std::string_view) {});
      const auto answer = concat('\n', name, "==");
      const auto output = '\n' + attempt.output;
      const auto at = output.find(answer);
      if (attempt.exit_code != 0 || at == std::string::npos) break;
      const auto rest = std::string_view(output).substr(at + answer.size());
      out.emplace_back(rest.substr(0, rest.find_first_of(" ;\n")));
    }
    return out;
  }

 private:
  bool layered() const { return request_.sources == ResolveRequest::Sources::layered; }
  fs::path copied_sources() const { return work_.path() / "sources/app"; }

  void copy_local_sources() {
    const AppDirectory app(request_.app_directory);
    const fs::path copy = copied_sources();
    make_directories(copy);
    for (const auto& source : request_.requirements.local) {
      const fs::path target = (copy / source.path).lexically_normal();
      if (source.path != "." && fs::exists(target)) continue;  // part of a project above it
      make_directories(target.parent_path());
      if (source.kind == FileKind::directory)
        copy_tree(app.path() / source.path,
                  SourceTree::scan_below(app, source.path, request_.ignore, bench_.stop), target,
                  bench_.stop);
      else
        fs::copy_file(app.path() / source.path, target);
    }
  }

  Attempt compile(const std::vector<std::string>& optional) {
    std::string lines;
    for (const auto& line : request_.requirements.lines)
      if (line.role == RequirementLine::Role::install) lines += line.text + '\n';
    for (const auto& line : optional) lines += line + '\n';
    for (const auto& option : request_.settings.options) lines += option + '\n';
    write_file_atomic(work_.path() / "resolve/requirements.txt", lines);
    std::vector<std::string> arguments{"--output-file", concat(kDirectory, '/', kLockFile), "--format",
                                       "pylock.toml"};
    if (fs::exists(work_.path() / "resolve/constraints.txt"))
      arguments.insert(arguments.end(), {"--constraints", concat(kDirectory, "/constraints.txt")});
    return run_uv("requirements.txt", arguments,
                  [&](std::string_view line) { bench_.log(request_.step, without_credentials(line)); });
  }

  Attempt run_uv(const char* file, const std::vector<std::string>& more,
                 const std::function<void(std::string_view)>& log) {
    std::vector<std::string> arguments{
        "pip",           "compile",  concat(kDirectory, '/', file), "--no-header",
        "--no-annotate", "--python", interpreter_of(request_)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (!request_.find_links.empty()) arguments.insert(arguments.end(), {"--find-links", kFindLinks});
    const auto& own = request_.settings;
    arguments.insert(arguments.end(), own.compile_arguments.begin(), own.compile_arguments.end());
    if (!own.environment.contains("UV_INDEX_STRATEGY"))
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
    // First, because other directories may be mounted below.
    const fs::path copy = copied_sources();
    const bool copied = fs::exists(copy);
    if (layered())
      command.extra_layers.push_back(copy.parent_path());
    else
      command.mounts.insert(command.mounts.begin(),
                            {copied ? copy : request_.app_directory, kAppDirectory,
                             copied ? SandboxMount::Access::read_write : SandboxMount::Access::read_only});
    if (!request_.find_links.empty())
      command.mounts.push_back({request_.find_links, kFindLinks, SandboxMount::Access::read_only});
    for (const auto& repository : request_.requirements.repositories)
      command.mounts.push_back({repository, repository.string(), SandboxMount::Access::read_only});
    if (!request_.runtime.empty())
      command.mounts.push_back({request_.runtime, kRuntimeDirectory, SandboxMount::Access::read_only});
    command.mounts.push_back({work_.path() / "resolve", kDirectory, SandboxMount::Access::read_write});

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

  Error failure(const Attempt& attempt) {
    ResolveFailure out;
    out.errors = attempt.errors;
    for (const auto role : {RequirementLine::Role::install, RequirementLine::Role::constrain})
      for (const auto& line : request_.requirements.lines)
        if (line.role == role) out.lines.push_back(line);
    const auto& limits = request_.settings.constraints;
    out.lines.insert(out.lines.end(), limits.begin(), limits.end());
    out.interpreter = request_.interpreter;
    out.proxies = bench_.host.proxies;
    out.versions = [this](const std::string& name, ResolveFailure::Choice choice) {
      return versions(name, choice);
    };
    return explain(out);
  }

  static constexpr std::size_t kMaxOutput = std::size_t{64} * 1024;

  const Workbench& bench_;
  const ResolveRequest& request_;
  TempDirectory work_;
  UvCommand uv_;
};

}  // namespace

Lock resolve(const Workbench& bench, const ResolveRequest& request) {
  return Resolver(bench, request).run();
}

std::vector<std::string> versions_with_wheel(const Workbench& bench, const ResolveRequest& request,
                                             const std::string& name) {
  return Resolver(bench, request).versions(name, ResolveFailure::Choice::wheels);
}

}  // namespace dash::builder
