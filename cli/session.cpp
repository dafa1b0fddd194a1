#include "cli/session.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/eviction.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/sandbox/oci_sandbox.hpp"
#include "cli/host_environment.hpp"
#include "cli/quantities.hpp"
#include "cli/registry_access.hpp"
#include "cli/secrets.hpp"
#include "registry/http_fetcher.hpp"

#include <thread>

namespace dash::cli {

namespace {

constexpr unsigned kMostPackageLayers = 100;

// registry/ downloads; builder/ only knows its port.
class HttpPackageFetcher : public builder::PackageFetcher {
 public:
  explicit HttpPackageFetcher(registry::FetchSettings settings) : fetcher_(std::move(settings)) {}

  void fetch(const std::vector<builder::FetchRequest>& requests, const Progress& progress,
             std::stop_token stop) override {
    std::vector<registry::Download> downloads;
    downloads.reserve(requests.size());
    for (const auto& request : requests)
      downloads.push_back({request.url, request.destination, request.sha256, request.size, request.shown,
                           request.completed,
                           request.certificates == builder::FetchRequest::Certificates::unchecked
                               ? registry::Download::Certificates::unchecked
                               : registry::Download::Certificates::checked});
    const auto* first = downloads.data();
    fetcher_.fetch(
        downloads,
        [&](const registry::Download& download, std::uint64_t done, std::uint64_t total) {
          if (progress) progress(requests[static_cast<std::size_t>(&download - first)], done, total);
        },
        std::move(stop));
  }

 private:
  registry::HttpFetcher fetcher_;
};

registry::FetchSettings fetch_settings(const builder::HostSettings& host) {
  registry::FetchSettings out;
  out.http.ca_bundle = host.ca_bundle;
  out.http.proxies = host.proxies;
  out.netrc = host.netrc;
  return out;
}

builder::HostSettings with_secrets(builder::HostSettings host, const std::vector<std::string>& secrets) {
  host.secrets = read_secrets(secrets, host.variables);
  return host;
}

// "." and "/path/to/Sales App" → "sales-app": the directory's name as a repository.
std::string repository_from(const fs::path& directory) {
  const auto name = to_lower(fs::weakly_canonical(directory).filename().string());
  std::string out;
  for (const char c : name) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "app" : out;
}

std::pair<std::string, std::string> parse_variable(const std::string& text) {
  const auto equals = text.find('=');
  const auto blank = text.find_first_of(" \t\n");
  if (equals == std::string::npos || equals == 0 || blank < equals)
    throw Error(ErrorCode::usage, concat("--env ", quoted(text), " is not NAME=VALUE"));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string upgraded_package(const std::string& text) {
  const auto name = builder::normal_package_name(text);
  if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
    throw Error(ErrorCode::usage, concat("--upgrade-package ", quoted(text), " is not the name of a package"))
        .with_hint("versions are for the requirements to say, for example \"pandas==2.2.3\"");
  return name;
}

std::optional<std::uint64_t> quota_of(const AppOptions& app) {
  if (app.quota.empty() || app.quota == "0") return std::nullopt;
  return parse_size(app.quota, "--quota");
}

}  // namespace

unsigned thread_count(unsigned threads) {
  return threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
}

Session::Session(const CommonOptions& common, const AppOptions& app, unsigned threads, EventSink& events,
                 std::stop_token stop)
    : host_(with_secrets(read_host_settings(common), app.secrets)),
      store_(store_home(common.home, host_.variables), quota_of(app)),
      pool_(thread_count(threads)),
      snapshots_(store_.snapshots(), store_.layers(),
                 [this](std::uint64_t bytes) {
                   builder::require_room(store_, {bytes, 0}, "unpacking a layer", bench_->stop);
                 }),
      sandbox_(std::make_unique<builder::OciSandbox>(snapshots_, store_.work(), host_)),
      fetcher_(std::make_unique<HttpPackageFetcher>(fetch_settings(host_))),
      registry_(app.offline ? nullptr
                            : std::make_unique<BuildRegistry>(
                                  registry_settings(app.registry, host_, common.home, {}), events, stop)),
      bench_(new builder::Workbench{store_, *sandbox_, *fetcher_, pool_, events, host_,
                                    oci::Compression::parse(app.compression),
                                    app.offline ? builder::Network::none : builder::Network::host,
                                    std::move(stop), registry_.get(), app.airgapped}) {}

Session::~Session() = default;

builder::CondaSettings conda_settings(const AppOptions& app) {
  builder::CondaSettings out;
  out.base_url = app.conda_base_url;
  // What Dash Enterprise's buildpack reads.
  const auto variables = environment_variables();
  if (const auto found = variables.find("BUILDPACK_CONTINUUM_URL");
      out.base_url.empty() && found != variables.end())
    out.base_url = found->second;
  for (const auto& text : app.conda_installers) out.installers.insert(builder::parse_installer_digest(text));
  out.pins = app.conda_pins;
  out.mirrors = builder::UrlMirrors::parse(app.conda_mirrors);
  if (!app.condarc.empty()) out.condarc = fs::absolute(app.condarc);
  return out;
}

builder::BuildRequest make_request(const AppOptions& app) {
  builder::BuildRequest out;
  out.app_directory = fs::weakly_canonical(app.directory);
  out.name =
      oci::Reference::parse(app.name.empty() ? repository_from(app.directory) : app.name).with_default_tag();
  if (out.name.digest) throw Error(ErrorCode::usage, "-t takes a name with a tag, not a digest");
  out.base = app.base;
  if (app.workspace) out.target = builder::BuildRequest::Target::workspace;
  if (app.no_cache) out.cache = builder::BuildRequest::Cache::ignore;
  for (const auto& variable : app.environment) out.environment.push_back(parse_variable(variable));
  for (const auto& runtime : app.python_runtimes)
    out.runtimes.push_back(builder::parse_runtime_archive(runtime));
  if (app.upgrade) out.upgrade.all = builder::Upgrade::All::yes;
  for (const auto& name : app.upgrade_packages) out.upgrade.packages.push_back(upgraded_package(name));
  out.uv_program = app.uv;
  out.conda = conda_settings(app);
  if (app.conda_install == "conda") out.conda_install = builder::CondaInstall::conda;
  out.nltk_index = app.nltk_index;
  out.index_strategy = app.index_strategy;
  if (!app.compile_bytecode) out.pyc_files = builder::PycFiles::omit;
  if (app.package_layers > kMostPackageLayers)
    throw Error(ErrorCode::usage,
                concat("--package-layers is ", app.package_layers, ", more than ", kMostPackageLayers))
        .with_hint("an image can't have many more: Docker's overlay2 takes 128 layers in all");
  if (app.package_layers > 0) out.package_layers = app.package_layers;
  return out;
}

}  // namespace dash::cli
