#include "builder/conda/solve.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "builder/conda/solver_answer.hpp"
#include "builder/image_config.hpp"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr const char* kDirectory = "/run/dash-build/conda";
constexpr const char* kCache = "/run/dash-build/conda-packages";
constexpr const char* kMachineCondarc = "/etc/conda/.condarc";
constexpr std::uint64_t kMaxRepodata = std::uint64_t{2} << 30;
constexpr std::size_t kMaxAnswer = std::size_t{256} << 20;

class Solver {
 public:
  Solver(const Workbench& bench, const CondaSolveRequest& request)
      : bench_(bench), request_(request), work_(bench.store.work_directory()) {}

  CondaChange run() {
    SolverAnswer answer = parse_solver_answer(ask());
    CondaChange out;
    for (const SolvedPackage& package : answer.linked) out.linked.push_back(locate(package));
    out.unlinked = std::move(answer.unlinked);
    return out;
  }

 private:
  std::string ask() {
    write_file(work_.path() / "conda-requirements.txt", request_.requirements);
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
                    concat(kDirectory, "/conda-requirements.txt")};
    if (bench_.network == Network::none) command.argv.emplace_back("--offline");
    command.environment = {concat("PATH=", kCondaPrefix, "/bin:", kDefaultSearchPath),
                           "HOME=/root",
                           "LANG=C.UTF-8",
                           "PYTHONDONTWRITEBYTECODE=1",
                           concat("CONDA_PKGS_DIRS=", kCache),
                           "CONDA_AUTO_UPDATE_CONDA=false",
                           "CONDA_NOTIFY_OUTDATED_CONDA=false"};
    command.network = bench_.network;
    command.secrets = SandboxCommand::Secrets::visible;
    using Access = SandboxMount::Access;
    command.mounts = {{work_.path(), kDirectory, Access::read_only}, {cache, kCache, Access::read_write}};
    if (!request_.condarc.empty())
      command.mounts.push_back({request_.condarc, kMachineCondarc, Access::read_only});
    if (bench_.network == Network::host && !bench_.host.netrc.empty())
      command.mounts.push_back({bench_.host.netrc, "/root/.netrc", Access::read_only});
    std::string output;
    command.on_stdout_bytes = [&](std::string_view bytes) {
      if (output.size() < kMaxAnswer) output += bytes;
    };
    std::string errors;
    command.on_output = [&](std::string_view line) {
      errors += concat(line, '\n');
      bench_.log(request_.step, std::string(line));
    };
    const SandboxResult result = bench_.sandbox.run(command, bench_.stop);
    if (output.find('{') == std::string::npos)
      throw Error(ErrorCode::step_failed, concat("conda failed with exit code ", result.exit_code))
          .with_output(errors.empty() ? result.tail : errors)
          .with_hint("The output above is conda's own.");
    return output;
  }

  // The package with its digests: from the answer, or from the channel's list.
  CondaPackageUrl locate(const SolvedPackage& package) {
    CondaPackageUrl out;
    std::string record = package.record;
    out.url = package.url;
    if (record.empty()) {
      const std::string directory = concat(package.base_url, '/', package.subdir);
      const std::string& repodata = repodata_of(directory);
      for (const std::string_view suffix : {".conda", ".tar.bz2"}) {
        record = find_in_repodata(repodata, concat(package.dist, suffix));
        out.url = concat(directory, '/', package.dist, suffix);
        if (!record.empty()) break;
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
  const std::string& repodata_of(const std::string& directory) {
    if (const auto found = repodata_.find(directory); found != repodata_.end()) return found->second;
    const fs::path cache = bench_.store.caches() / "conda-repodata";
    make_directories(cache);
    bench_.store.claim(cache);
    const fs::path kept = cache / concat(to_hex(sha256(directory)), ".json");
    if (bench_.network == Network::host || directory.starts_with("file:")) {
      const TempDirectory incoming(cache);
      const fs::path file = incoming.path() / "repodata.json";
      bench_.fetcher.fetch(
          {{concat(directory, "/repodata.json"), file, std::nullopt, std::nullopt, "repodata.json"}}, {},
          bench_.stop);
      fs::rename(file, kept);
    }
    auto text = read_file_if_exists(kept, kMaxRepodata);
    if (!text)
      throw Error(ErrorCode::unavailable, concat("the list of the channel ", redact_url(directory),
                                                 " is not in the store, and the build is offline"))
          .with_hint("Build once online with the same store.");
    return repodata_.emplace(directory, std::move(*text)).first->second;
  }

  const Workbench& bench_;
  const CondaSolveRequest& request_;
  TempDirectory work_;
  std::map<std::string, std::string> repodata_;
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
