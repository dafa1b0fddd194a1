#include "cli/registry_access.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/host_environment.hpp"

#include <algorithm>

#include <boost/filesystem/directory.hpp>

namespace dash::cli {

namespace {

std::string value_of(const builder::HostSettings& host, const std::string& name) {
  const auto found = host.variables.find(name);
  return found == host.variables.end() ? std::string() : found->second;
}

fs::path configuration_directory(const builder::HostSettings& host) {
  if (const auto named = value_of(host, "XDG_CONFIG_HOME"); !named.empty()) return named;
  const auto home = value_of(host, "HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".config";
}

fs::path docker_file(const builder::HostSettings& host) {
  if (const auto named = value_of(host, "DOCKER_CONFIG"); !named.empty())
    return fs::path(named) / "config.json";
  const auto home = value_of(host, "HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".docker" / "config.json";
}

// --authfile, else REGISTRY_AUTH_FILE; those stand alone, as with podman and skopeo.
fs::path named_file(const RegistryOptions& options, const builder::HostSettings& host) {
  return !options.auth_file.empty() ? options.auth_file : fs::path(value_of(host, "REGISTRY_AUTH_FILE"));
}

std::vector<fs::path> credential_files(const RegistryOptions& options, const builder::HostSettings& host) {
  if (const auto named = named_file(options, host); !named.empty()) {
    if (!fs::exists(named) && !options.auth_file.empty())
      throw Error(ErrorCode::usage, concat("--authfile names ", named.string(), ", which does not exist"));
    return {named};
  }
  std::vector<fs::path> out;
  if (const auto runtime = value_of(host, "XDG_RUNTIME_DIR"); !runtime.empty())
    out.push_back(fs::path(runtime) / "containers" / "auth.json");
  if (const auto directory = configuration_directory(host); !directory.empty())
    out.push_back(directory / "containers" / "auth.json");
  if (const auto file = docker_file(host); !file.empty()) out.push_back(file);
  return out;
}

std::vector<fs::path> registries_files(const builder::HostSettings& host) {
  if (const auto named = value_of(host, "CONTAINERS_REGISTRIES_CONF"); !named.empty()) return {named};
  std::vector<fs::path> out = {"/etc/containers/registries.conf"};
  const auto own = configuration_directory(host) / "containers" / "registries.conf";
  if (fs::exists(own)) out = {own};
  boost::system::error_code ignored;
  std::vector<fs::path> parts;
  for (fs::directory_iterator entry(out.front().string() + ".d", ignored), end; entry != end;
       entry.increment(ignored))
    if (entry->path().extension() == ".conf") parts.push_back(entry->path());
  std::sort(parts.begin(), parts.end());
  out.insert(out.end(), parts.begin(), parts.end());
  return out;
}

registry::Credential parse_credentials(const std::string& text, const char* option) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0)
    throw Error(ErrorCode::usage, concat(option, " must be USER:PASSWORD"))
        .with_hint("'dash-build login' keeps the password out of the list of processes");
  return {text.substr(0, colon), text.substr(colon + 1), "", "", option};
}

}  // namespace

registry::RegistrySettings registry_settings(const RegistryOptions& options,
                                             const builder::HostSettings& host, const fs::path& home,
                                             const std::string& registry, const std::string& target) {
  registry::RegistrySettings out;
  out.http.ca_bundle = host.ca_bundle;
  out.http.proxies = host.proxies;
  out.credentials.files = credential_files(options, host);
  out.credentials.helper_environment = host.environment;
  if (!options.credentials.empty())
    out.credentials.given[registry.empty() ? options.credentials_registry : registry] =
        parse_credentials(options.credentials, "--creds");
  if (!options.target_credentials.empty())
    out.credentials.given[target] = parse_credentials(options.target_credentials, "--dest-creds");
  if (!options.certs_directory.empty() && !fs::is_directory(options.certs_directory))
    throw Error(ErrorCode::usage,
                concat("--certs-dir names ", options.certs_directory.string(), ", which is no directory"))
        .with_hint("it has a directory for each registry in it: DIR/registry.example:5000/ca.crt");
  if (!options.certs_directory.empty()) out.hosts.certs_directories.push_back(options.certs_directory);
  for (const auto* directory : {"/etc/containerd/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"})
    out.hosts.certs_directories.emplace_back(directory);
  out.hosts.registries_files = registries_files(host);
  out.hosts.insecure.insert(options.insecure.begin(), options.insecure.end());
  out.state_directory = transfers_directory(store_home(home, host.variables));
  return out;
}

std::string only_registry(const RegistryOptions& options, const std::set<std::string>& registries) {
  if (options.credentials.empty()) return {};
  if (registries.size() == 1) return *registries.begin();
  throw Error(ErrorCode::usage, registries.empty()
                                    ? std::string("--creds is for a registry, and none is named")
                                    : concat("--creds is for one registry, and several are named: ",
                                             join(std::vector(registries.begin(), registries.end()), ", ")))
      .with_hint("'dash-build login' stores a password for each registry");
}

fs::path transfers_directory(const fs::path& store) {
  return store / "transfers";
}

fs::path login_file(const RegistryOptions& options, const builder::HostSettings& host) {
  if (auto named = named_file(options, host); !named.empty()) return named;
  auto file = docker_file(host);
  if (file.empty())
    throw Error(ErrorCode::usage,
                "there is no place for credentials: neither HOME nor REGISTRY_AUTH_FILE is set")
        .with_hint("use --authfile FILE");
  return file;
}

}  // namespace dash::cli
