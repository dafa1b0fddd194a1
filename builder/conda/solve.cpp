#include "builder/conda/solve.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/conda_files.hpp"
#include "builder/conda/conda_command.hpp"
#include "builder/conda/solver_answer.hpp"
#include "builder/image_config.hpp"

#include <array>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr const char* kCache = "/run/dash-build/conda-packages";
// Of package files, the better one first.
constexpr std::array<std::string_view, 2> kSuffixes = {".conda", ".tar.bz2"};
constexpr std::size_t kMaxAnswer = std::size_t{256} << 20;

class Solver {
 public:
  Solver(const Workbench& bench, const CondaSolveRequest& request)
      : bench_(bench), request_(request), work_(bench.store.work_directory()) {}

  CondaChange run() {
    SolverAnswer answer = read(mirrors().from_mirrors(ask()));
    read_records(answer);
    CondaChange out;
    for (const SolvedPackage& package : answer.linked) out.linked.push_back(locate(package));
    out.unlinked = std::move(answer.unlinked);
    return out;
  }

 private:
  const UrlMirrors& mirrors() const { return request_.settings.mirrors; }

  SolverAnswer read(const std::string& text) const {
    try {
      return parse_solver_answer(text);
    } catch (Error& error) {
      if (error.code() == ErrorCode::unavailable) add_mirror_hint(bench_, error);
      throw;
    }
  }

  std::string ask() {
    write_file(work_.path() / kCondaRequirements, mirrors().to_mirrors(request_.requirements));
    const fs::path cache = bench_.store.caches() / "conda";
    make_directories(cache);
    bench_.store.claim(cache);
    SandboxCommand command;
    command.layers = request_.layers;
    command.argv = {concat(kCondaPrefix, "/bin/conda"),
                    "install",
                    "--dry-run",
                    "--json",
                    "--yes",
                    "--no-update-deps",
                    "--file",
                    concat(kCondaFilesDirectory, '/', kCondaRequirements)};
    if (bench_.network == Network::none) command.argv.emplace_back("--offline");
    command.environment = conda_environment();
    for (const auto& variable :
         {std::string("HOME=/root"), concat("CONDA_PKGS_DIRS=", kCache),
          std::string("CONDA_AUTO_UPDATE_CONDA=false"), std::string("CONDA_NOTIFY_OUTDATED_CONDA=false")})
      command.environment.push_back(variable);
    command.network = bench_.network;
    command.secrets = SandboxCommand::Secrets::visible;
    using Access = SandboxMount::Access;
    command.mounts = {{work_.path(), kCondaFilesDirectory, Access::read_only},
                      {cache, kCache, Access::read_write}};
    if (const fs::path& condarc = request_.settings.condarc; !condarc.empty()) {
      const fs::path seen = work_.path() / "machine-condarc";
      write_file(seen, mirrors().to_mirrors(read_file(condarc)));
      command.mounts.push_back({seen, kMachineCondarc, Access::read_only});
    }
    if (bench_.network == Network::host && !bench_.host.netrc.empty())
      command.mounts.push_back({bench_.host.netrc, kMachineNetrc, Access::read_only});
    std::string output;
    command.on_stdout_bytes = [&](std::string_view bytes) {
      if (output.size() < kMaxAnswer) output += bytes;
    };
    std::string errors;
    command.on_output = [&](std::string_view line) {
      if (errors.size() < kMaxAnswer) errors += concat(public_text(line), '\n');
    };
    const SandboxResult result = bench_.sandbox.run(command, bench_.stop);
    // Conda up to 4.5 ends what it does not do with an exception, and shows it as JSON.
    const std::size_t exit = errors.find("DryRunExit");
    const std::string said = errors.substr(0, exit == std::string::npos ? exit : errors.rfind('{', exit));
    for (const auto line : split_lines(said)) bench_.log(request_.step, std::string(line));
    if (output.find('{') == std::string::npos)
      throw Error(ErrorCode::step_failed, concat("conda failed with exit code ", result.exit_code))
          .with_output(errors.empty() ? result.tail : errors)
          .with_hint("The output above is conda's own.");
    return output;
  }

  static std::string directory_of(const SolvedPackage& package) {
    return concat(package.base_url, '/', package.subdir);
  }

  // Of the packages whose records the answer lacks: those that channels have. Their lists are large, so each
  // is read once and not kept in memory.
  void read_records(const SolverAnswer& answer) {
    std::map<std::string, std::set<std::string, std::less<>>> wanted;
    for (const SolvedPackage& package : answer.linked)
      if (package.record.empty())
        for (const std::string_view suffix : kSuffixes)
          wanted[directory_of(package)].insert(concat(package.dist, suffix));
    for (const auto& [directory, files] : wanted)
      records_[directory] = find_in_repodata(repodata_of(directory), files);
  }

  // The package with its digests: from the answer, or from the channel's list.
  CondaPackageUrl locate(const SolvedPackage& package) {
    CondaPackageUrl out;
    std::string record = package.record;
    out.url = package.url;
    if (record.empty()) {
      const std::string directory = directory_of(package);
      const RepodataRecords& records = records_.at(directory);
      for (const std::string_view suffix : kSuffixes) {
        const std::string file = concat(package.dist, suffix);
        const auto found = records.find(file);
        if (found == records.end()) continue;
        record = found->second;
        out.url = concat(directory, '/', file);
        break;
      }
    }
    const Json values = Json::parse(record, nullptr, false);
    if (!values.is_object())
      throw Error(ErrorCode::unavailable, concat("the channel ", redact_url(package.base_url),
                                                 " does not list ", package.dist, ", which conda chose"))
          .with_hint("The channel may have changed just now: build again.");
    out.repodata = record;
    if (const auto md5 = values.find("md5"); md5 != values.end() && md5->is_string())
      out.digests.md5 = to_lower(md5->get<std::string>());
    if (const auto sha256 = values.find("sha256"); sha256 != values.end() && sha256->is_string())
      out.digests.sha256 = sha256_from_hex(to_lower(sha256->get<std::string>()));
    return out;
  }

  // The channel's list; what was read last is kept for builds without a network.
  std::string repodata_of(const std::string& directory) const {
    const fs::path cache = bench_.store.caches() / "conda-repodata";
    make_directories(cache);
    bench_.store.claim(cache);
    const fs::path kept = cache / concat(to_hex(sha256(directory)), ".json");
    if (bench_.network == Network::host || directory.starts_with("file:")) {
      const TempDirectory incoming(cache);
      const fs::path file = incoming.path() / "repodata.json";
      const std::string url = concat(directory, "/repodata.json");
      bench_.fetcher.fetch(
          {{fetch_url(bench_, request_.settings, url), file, std::nullopt, std::nullopt, "repodata.json"}},
          {}, bench_.stop);
      fs::rename(file, kept);
    }
    auto text = read_file_if_exists(kept, kMaxRepodata);
    if (!text)
      throw Error(ErrorCode::unavailable, concat("the list of the channel ", redact_url(directory),
                                                 " is not in the store, and the build is offline"))
          .with_hint("Build once online with the same store.");
    return std::move(*text);
  }

  const Workbench& bench_;
  const CondaSolveRequest& request_;
  TempDirectory work_;
  std::map<std::string, RepodataRecords> records_;  // by channel and subdirectory
};

}  // namespace

CondaChange solve_conda(const Workbench& bench, const CondaSolveRequest& request) {
  return Solver(bench, request).run();
}

SolvedEnvironment with_packages(const ExplicitLock& installed, const std::vector<CondaPackageUrl>& linked,
                                const std::vector<std::string>& unlinked) {
  std::map<std::string, CondaPackageUrl> by_name;
  for (const CondaPackageUrl& package : installed.packages) by_name.emplace(package.name(), package);
  SolvedEnvironment out;
  const auto remove = [&](const std::string& name) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) return;
    out.unlinked.push_back(found->second);
    by_name.erase(found);
  };
  for (const std::string& name : unlinked) remove(name);
  for (const CondaPackageUrl& package : linked) {
    // Linking the same package again, from another channel for example, is no change of the environment.
    const auto found = by_name.find(package.name());
    if (found != by_name.end() && found->second.url == package.url) continue;
    remove(package.name());
    by_name.emplace(package.name(), package);
    out.linked.push_back(package);
  }
  for (auto& [name, package] : by_name) out.lock.packages.push_back(std::move(package));
  return out;
}

}  // namespace dash::builder
