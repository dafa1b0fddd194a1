#include "cli/host_environment.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/python/pip_configuration.hpp"
#include "oci/layer_writer.hpp"

#include <array>

#include <sys/utsname.h>
#include <unistd.h>

extern char** environ;  // NOLINT: POSIX

namespace dash::cli {

namespace {

using Variables = std::map<std::string, std::string>;

std::string value_of(const Variables& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

bool is_readable(const fs::path& path) {
  return !path.empty() && ::access(path.c_str(), R_OK) == 0;
}

// `pip_certificates` is pip's own bundle, where one is set.
fs::path find_ca_bundle(const fs::path& chosen, const Variables& variables,
                        const std::string& pip_certificates) {
  if (!chosen.empty()) {
    if (!is_readable(chosen))
      throw Error(ErrorCode::usage, concat("the certificates ", chosen.string(), " cannot be read"))
          .with_hint("'dash-build config' shows where ca_bundle is set");
    return chosen;
  }
  const std::array<fs::path, 6> places = {
      value_of(variables, "SSL_CERT_FILE"), pip_certificates,         "/etc/ssl/certs/ca-certificates.crt",
      "/etc/pki/tls/certs/ca-bundle.crt",   "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
  for (const auto& place : places)
    if (is_readable(place)) return place;
  return {};
}

fs::path find_netrc(const Variables& variables) {
  auto netrc = fs::path(value_of(variables, "NETRC"));
  const auto home = value_of(variables, "HOME");
  if (netrc.empty() && !home.empty()) netrc = fs::path(home) / ".netrc";
  return is_readable(netrc) ? fs::absolute(netrc) : fs::path();
}

// pip's own proxy setting serves for what pip would have fetched, and nothing else tells of one.
void use_pip_proxy(builder::HostSettings& host) {
  const auto proxy = value_of(host.index_settings, "PIP_PROXY");
  if (proxy.empty()) return;
  for (const auto* name : {"http_proxy", "https_proxy"}) host.proxies.emplace(name, proxy);
}

std::string debian_architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

}  // namespace

std::map<std::string, std::string> environment_variables() {
  Variables out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) out[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return out;
}

builder::HostSettings read_host_settings(const CommonOptions& common) {
  builder::HostSettings host;
  host.variables = environment_variables();
  for (const auto& [name, value] : host.variables) host.environment.push_back(concat(name, '=', value));
  host.index_settings = builder::read_pip_configuration(host.variables);
  for (const auto& [name, value] : host.variables) {
    // pip takes an empty variable for none.
    if ((name.starts_with("PIP_") || name.starts_with("UV_")) && !trim(value).empty())
      host.index_settings[name] = value;
    const auto lower = to_lower(name);
    if (lower == "http_proxy" || lower == "https_proxy" || lower == "no_proxy" || lower == "all_proxy")
      host.proxies[name] = value;
  }
  host.netrc = find_netrc(host.variables);
  host.ca_bundle =
      find_ca_bundle(common.ca_bundle, host.variables, value_of(host.index_settings, "PIP_CERT"));
  use_pip_proxy(host);
  utsname machine{};
  if (::uname(&machine) == 0) host.machine = machine.machine;
  host.debian_architecture = debian_architecture(host.machine);
  host.source_date_epoch = oci::kDefaultEpoch;
  if (const auto epoch = value_of(host.variables, "SOURCE_DATE_EPOCH"); !epoch.empty()) {
    const auto seconds = parse_uint(epoch);
    if (!seconds)
      throw Error(ErrorCode::usage,
                  concat("SOURCE_DATE_EPOCH is ", quoted(epoch), ", not a number of seconds since 1970"));
    host.source_date_epoch = static_cast<std::int64_t>(*seconds);
  }
  return host;
}

fs::path store_home(const fs::path& chosen, const Variables& variables) {
  if (!chosen.empty()) return fs::absolute(chosen);
  if (::geteuid() == 0) return "/var/lib/dash-build";
  if (const auto data = value_of(variables, "XDG_DATA_HOME"); !data.empty())
    return fs::path(data) / "dash-build";
  const auto home = value_of(variables, "HOME");
  if (home.empty())
    throw Error(ErrorCode::usage, "there is no place for the store: neither DASH_BUILD_HOME nor HOME is set")
        .with_hint("set DASH_BUILD_HOME or use --home DIR");
  return fs::path(home) / ".local/share/dash-build";
}

}  // namespace dash::cli
