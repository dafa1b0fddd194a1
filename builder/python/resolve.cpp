#include "builder/python/resolve.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/source_tree.hpp"
#include "builder/python/resolve_failure.hpp"
#include "builder/python/source_copies.hpp"
#include "builder/python/uv_compile.hpp"
#include "builder/python/uv_run.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kLockFile = "pylock.toml";
// How many versions a message offers.
constexpr std::size_t kOfferedVersions = 5;

// Asking a local project for its metadata writes into it.
bool is_project(const LocalSource& source) {
  return source.kind == FileKind::directory && source.use != LocalSource::Use::find_links;
}

// Nothing for text over which uv would refuse to resolve.
std::optional<Lock> readable_lock(const std::string& text) {
  if (text.empty()) return std::nullopt;
  try {
    return Lock::parse(text, "/");
  } catch (const Error&) {
    return std::nullopt;
  }
}

class Resolver {
 public:
  Resolver(const Workbench& bench, const ResolveRequest& request)
      : bench_(bench), request_(request), uv_(bench, request, request.settings) {
    std::string limits;
    for (const auto& line : request.requirements.lines)
      if (line.role == RequirementLine::Role::constrain) limits += line.text + '\n';
    for (const auto& line : request.settings.constraints) limits += line.text + '\n';
    if (!limits.empty()) write_file_atomic(uv_.directory() / "constraints.txt", limits);
    if (std::ranges::any_of(request.requirements.local, is_project) ||
        request.sources == ResolveRequest::Sources::layered)
      copy_local_sources();
  }

  Lock run() {
    const fs::path lock = uv_.directory() / kLockFile;
    if (const auto kept = kept_versions(); !kept.empty()) write_file_atomic(lock, kept);
    UvCompile::Attempt attempt = compile(request_.optional_requirements);
    const bool optional_unknown = std::ranges::any_of(
        request_.optional_requirements,
        [&](const std::string& name) { return contains(attempt.errors, concat(name, " was not found")); });
    if (attempt.exit_code != 0 && optional_unknown) {
      bench_.warn(request_.step, concat("No package index has ", join(request_.optional_requirements, ", "),
                                        "; the environment is made without"));
      attempt = compile({});
    }
    if (attempt.exit_code != 0) throw failure(attempt);
    return Lock::parse(read_file(lock), UvCompile::kDirectory);
  }

  // Asks again for the package alone, each time for an older version.
  std::vector<std::string> versions(const std::string& name, ResolveFailure::Choice choice) {
    std::vector<std::string> out;
    while (out.size() < kOfferedVersions) {
      std::string lines = concat(name, out.empty() ? "" : concat('<', out.back()), '\n');
      if (choice == ResolveFailure::Choice::wheels) lines += concat("--only-binary ", name, '\n');
      write_file_atomic(uv_.directory() / "question.txt", lines);
      const UvCompile::Attempt attempt = uv_.run("question.txt", {}, [](std::string_view) {});
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
  // uv keeps to the versions in the file that it is to write.
  std::string kept_versions() const {
    auto previous = readable_lock(request_.previous_lock);
    if (upgrades_around_installed()) previous.reset();
    std::string out = previous ? previous->text : std::string();
    if (out.empty() && !request_.installed.empty()) out = "lock-version = \"1.0\"\ncreated-by = \"uv\"\n";
    for (const auto& [name, version] : request_.installed)
      if (!previous || !std::ranges::binary_search(previous->packages, name, {}, &LockedPackage::name))
        out += concat("\n[[packages]]\nname = \"", name, "\"\nversion = \"", version, "\"\n");
    return out;
  }

  // What is installed already is not for uv to upgrade.
  bool upgrades_around_installed() const {
    return request_.upgrade.all == Upgrade::All::yes && !request_.installed.empty();
  }

  void copy_local_sources() {
    const AppDirectory app(request_.app_directory);
    const fs::path& copy = uv_.copy_app();
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

  UvCompile::Attempt compile(const std::vector<std::string>& optional) {
    std::string lines;
    for (const auto& line : request_.requirements.lines)
      if (line.role == RequirementLine::Role::install) lines += line.text + '\n';
    for (const auto& line : optional) lines += line + '\n';
    for (const auto& option : request_.settings.options) lines += option + '\n';
    write_file_atomic(uv_.directory() / "requirements.txt", lines);
    std::vector<std::string> arguments{"--output-file", concat(UvCompile::kDirectory, '/', kLockFile),
                                       "--format", "pylock.toml"};
    if (fs::exists(uv_.directory() / "constraints.txt"))
      arguments.insert(arguments.end(), {"--constraints", concat(UvCompile::kDirectory, "/constraints.txt")});
    // With these, uv asks indexes again and not its cache.
    if (request_.upgrade.all == Upgrade::All::yes)
      arguments.emplace_back(upgrades_around_installed() ? "--refresh" : "--upgrade");
    for (const auto& name : request_.upgrade.packages)
      arguments.insert(arguments.end(), {"--upgrade-package", name});
    return uv_.run("requirements.txt", arguments,
                   [&](std::string_view line) { bench_.log(request_.step, without_credentials(line)); });
  }

  Error failure(const UvCompile::Attempt& attempt) {
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

  const Workbench& bench_;
  const ResolveRequest& request_;
  UvCompile uv_;
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
