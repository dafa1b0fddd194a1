#include "registry/hosts.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

#include <boost/filesystem/directory.hpp>
#include <toml++/toml.h>

namespace dash::registry {

namespace {

constexpr std::uint64_t kMaxFileSize = std::uint64_t{1} << 20;

toml::table parse_toml(const std::string& text, const fs::path& file) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& fault) {
    throw Error(ErrorCode::invalid_input,
                concat(file.string(), ":", fault.source().begin.line, ": ", fault.description()));
  }
}

[[noreturn]] void refuse(const fs::path& file, const toml::node& node, std::string_view why) {
  throw Error(ErrorCode::invalid_input, concat(file.string(), ":", node.source().begin.line, ": ", why));
}

// A string or a list of strings.
std::vector<std::string> text_list(const toml::table& table, std::string_view key, const fs::path& file) {
  const auto* node = table.get(key);
  std::vector<std::string> out;
  if (node == nullptr) return out;
  if (const auto text = node->value<std::string>()) return {*text};
  const auto* list = node->as_array();
  if (list == nullptr) refuse(file, *node, concat(key, " must be a string or a list of strings"));
  for (const auto& entry : *list) {
    const auto text = entry.value<std::string>();
    if (!text) refuse(file, entry, concat(key, " must be a list of strings"));
    out.push_back(*text);
  }
  return out;
}

bool flag(const toml::table& table, std::string_view key, const fs::path& file) {
  const auto* node = table.get(key);
  if (node == nullptr) return false;
  if (!node->is_boolean()) refuse(file, *node, concat(key, " must be true or false"));
  return node->as_boolean()->get();
}

// A file that a hosts.toml names, seen from there.
fs::path existing(const std::string& name, const fs::path& file, const toml::node& node) {
  auto out = fs::absolute(name, file.parent_path());
  boost::system::error_code ignored;
  if (!fs::exists(out, ignored)) refuse(file, node, concat(out.string(), " does not exist"));
  return out;
}

// "client": "cert.pem", ["cert.pem", …] or [["cert.pem", "key.pem"], …]; libcurl takes one pair.
void read_client(const toml::table& table, const fs::path& file, TlsSettings& tls) {
  const auto* node = table.get("client");
  if (node == nullptr) return;
  if (const auto* list = node->as_array(); list != nullptr && !list->empty()) node = list->get(0);
  if (const auto text = node->value<std::string>()) {
    tls.client_certificate = existing(*text, file, *node);
    tls.client_key = tls.client_certificate;
    return;
  }
  const auto* pair = node->as_array();
  if (pair == nullptr || pair->size() != 2 || !pair->get(0)->is_string() || !pair->get(1)->is_string())
    refuse(file, *node, "client must name a certificate, or a certificate and its key");
  tls.client_certificate = existing(pair->get(0)->value_or(std::string()), file, *node);
  tls.client_key = existing(pair->get(1)->value_or(std::string()), file, *node);
}

// The part of hosts.toml that is the same for the server and for each host.
void read_host_table(const toml::table& table, const fs::path& file, Endpoint& endpoint) {
  TlsSettings tls = *endpoint.tls;
  for (const auto& name : text_list(table, "ca", file))
    tls.extra_cas.push_back(existing(name, file, *table.get("ca")));
  read_client(table, file, tls);
  if (flag(table, "skip_verify", file)) tls.verify = TlsSettings::Verify::no;
  endpoint.tls = std::make_shared<TlsSettings>(std::move(tls));
  if (table.contains("capabilities")) {
    const auto capabilities = text_list(table, "capabilities", file);
    const auto has = [&](std::string_view name) {
      return std::ranges::find(capabilities, name) != capabilities.end();
    };
    endpoint.pulls = has("pull");
    endpoint.resolves = has("resolve");
    endpoint.pushes = has("push");
  }
  if (const auto* headers = table.get_as<toml::table>("header"))
    for (const auto& [name, node] : *headers)
      for (auto& value : text_list(*headers, name.str(), file))
        endpoint.headers.add(std::string(name.str()), std::move(value));
}

Url checked_url(const std::string& text, const fs::path& file, const toml::node& node) {
  const bool has_scheme = contains(text, "://");
  const auto url = Url::parse(has_scheme ? text : "https://" + text);
  if (!url) refuse(file, node, concat(dash::quoted(text), " is not a URL of a registry"));
  return *url;
}

void set_base_path(Url& base, bool override_path) {
  while (base.path.ends_with('/')) base.path.pop_back();
  if (!override_path) base.path += "/v2";
}

// *.crt are CAs; NAME.cert with NAME.key a client certificate (Docker's rule).
TlsSettings read_docker_files(const fs::path& directory) {
  TlsSettings out;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    if (file.extension() == ".crt") out.extra_cas.push_back(file);
    if (file.extension() != ".cert") continue;
    auto key = file;
    key.replace_extension(".key");
    if (!fs::exists(key))
      throw Error(ErrorCode::invalid_input,
                  concat(file.string(), " is a client certificate, but ", key.string(), " is missing"));
    out.client_certificate = file;
    out.client_key = key;
  }
  return out;
}

std::optional<fs::path> find_host_directory(const std::vector<fs::path>& directories,
                                            const std::string& registry) {
  auto underscored = registry;  // "host_5000_": for file systems without ':'
  if (const auto colon = underscored.rfind(':'); colon != std::string::npos && underscored.back() != ']') {
    underscored[colon] = '_';
    underscored += '_';
  }
  boost::system::error_code ignored;
  for (const auto& directory : directories)
    for (const auto& name : {registry, underscored, std::string("_default")})
      if (fs::is_directory(directory / name, ignored)) return directory / name;
  return std::nullopt;
}

bool covers(std::string_view prefix, const std::string& name) {
  if (prefix.starts_with("*.")) {
    const auto host = name.substr(0, name.find_first_of("/:"));
    return host.size() > prefix.size() - 1 && host.ends_with(prefix.substr(1));
  }
  return name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == '/');
}

std::pair<std::string, std::string> split_host(const std::string& location) {
  const auto slash = location.find('/');
  if (slash == std::string::npos) return {location, {}};
  return {location.substr(0, slash), location.substr(slash + 1)};
}

}  // namespace

HostsConfig::HostsConfig(HostsSettings settings) : settings_(std::move(settings)) {
  for (const auto& file : settings_.registries_files) read_registries(file);
}

void HostsConfig::read_registries(const fs::path& file) {
  const auto text = read_file_if_exists(file, kMaxFileSize);
  if (!text) return;
  const auto document = parse_toml(*text, file);
  const auto text_at = [&](const toml::table& table, std::string_view key) {
    const auto* node = table.get(key);
    if (node == nullptr) return std::string();
    if (!node->is_string()) refuse(file, *node, concat(key, " must be a string"));
    return node->value_or(std::string());
  };
  for (auto& name : text_list(document, "unqualified-search-registries", file))
    search_.push_back(std::move(name));
  if (const auto* aliases = document.get_as<toml::table>("aliases"))
    for (const auto& [name, node] : *aliases)
      aliases_.emplace_back(name.str(), text_at(*aliases, name.str()));
  const auto* registries = document.get_as<toml::array>("registry");
  if (registries == nullptr) return;
  for (const auto& node : *registries) {
    const auto* table = node.as_table();
    if (table == nullptr) refuse(file, node, "registry must be a table ([[registry]])");
    Rule rule;
    rule.location = text_at(*table, "location");
    rule.prefix = text_at(*table, "prefix");
    if (rule.prefix.empty()) rule.prefix = rule.location;
    if (rule.prefix.empty()) refuse(file, node, "a registry needs a location or a prefix");
    rule.insecure = flag(*table, "insecure", file);
    rule.blocked = flag(*table, "blocked", file);
    const bool digests_only = flag(*table, "mirror-by-digest-only", file);
    if (const auto* mirrors = table->get_as<toml::array>("mirror"))
      for (const auto& entry : *mirrors) {
        const auto* mirror = entry.as_table();
        if (mirror == nullptr) refuse(file, entry, "mirror must be a table ([[registry.mirror]])");
        const auto use = text_at(*mirror, "pull-from-mirror");
        const auto location = text_at(*mirror, "location");
        if (location.empty()) refuse(file, entry, "a mirror needs a location");
        if (!use.empty() && use != "all" && use != "digest-only" && use != "tag-only")
          refuse(file, entry, "pull-from-mirror must be all, digest-only or tag-only");
        rule.mirrors.push_back({location,
                                use == "digest-only" || digests_only ? Mirror::For::digests
                                : use == "tag-only"                  ? Mirror::For::tags
                                                                     : Mirror::For::all,
                                flag(*mirror, "insecure", file)});
      }
    rules_.push_back(std::move(rule));
  }
}

const HostsConfig::Rule* HostsConfig::rule_for(const std::string& name) const {
  const Rule* best = nullptr;
  for (const auto& rule : rules_)
    if (covers(rule.prefix, name) && (best == nullptr || rule.prefix.size() >= best->prefix.size()))
      best = &rule;
  return best;
}

std::vector<Endpoint> HostsConfig::endpoints(const std::string& registry,
                                             const std::string& repository) const {
  const auto name = concat(registry, '/', repository);
  const auto* rule = rule_for(name);
  const auto verify = [&](bool insecure) {
    return insecure ? TlsSettings::Verify::no : TlsSettings::Verify::yes;
  };
  if (rule == nullptr) return host_endpoints(registry, repository, TlsSettings::Verify::yes);
  if (rule->blocked)
    throw Error(ErrorCode::denied, concat(name, " is blocked by ", rule->prefix, " in registries.conf"))
        .with_hint("remove 'blocked' from registries.conf, or use another registry");
  const bool wildcard = rule->prefix.starts_with("*.");
  const auto rest = wildcard ? std::string() : name.substr(rule->prefix.size());  // "/team/app" or ""
  const auto located = [&](const std::string& location) {
    return split_host(wildcard ? concat(location, '/', repository) : location + rest);
  };
  std::vector<Endpoint> out;
  for (const auto& mirror : rule->mirrors) {
    const auto [host, path] = located(mirror.location);
    for (auto& endpoint : host_endpoints(host, path, verify(mirror.insecure))) {
      endpoint.role = Endpoint::Role::mirror;
      endpoint.pushes = false;
      if (mirror.use == Mirror::For::digests) endpoint.resolves = false;
      if (mirror.use == Mirror::For::tags) endpoint.pulls = false;
      out.push_back(std::move(endpoint));
    }
  }
  const auto [host, path] =
      rule->location.empty() || wildcard ? std::pair(registry, repository) : located(rule->location);
  for (auto& endpoint : host_endpoints(host, path, verify(rule->insecure)))
    out.push_back(std::move(endpoint));
  return out;
}

std::vector<Endpoint> HostsConfig::host_endpoints(const std::string& registry, const std::string& repository,
                                                  TlsSettings::Verify verify) const {
  const auto base = Url::parse("https://" + registry);
  if (!base || base->path != "/")
    throw Error(ErrorCode::usage, concat(dash::quoted(registry), " is not a registry's host name"))
        .with_hint("write HOST[:PORT], without https:// and without a path: registry.example:5000");
  if (settings_.insecure.contains(registry)) verify = TlsSettings::Verify::no;
  Endpoint origin;
  origin.base = *base;
  origin.repository = repository;
  origin.registry = registry;
  set_base_path(origin.base, false);
  if (verify == TlsSettings::Verify::no || is_loopback_host(registry))
    origin.scheme = Endpoint::Scheme::https_or_http;

  TlsSettings tls;
  std::vector<Endpoint> out;
  const auto directory = find_host_directory(settings_.certs_directories, registry);
  const auto file = directory ? *directory / "hosts.toml" : fs::path();
  const auto text = directory ? read_file_if_exists(file, kMaxFileSize) : std::nullopt;
  if (directory && !text) tls = read_docker_files(*directory);
  tls.verify = verify;
  origin.tls = std::make_shared<TlsSettings>(tls);
  if (!text) return {origin};

  const auto document = parse_toml(*text, file);
  std::vector<std::pair<std::uint32_t, Endpoint>> hosts;  // by line: the order in the file is what counts
  if (const auto* tables = document.get_as<toml::table>("host"))
    for (const auto& [name, node] : *tables) {
      const auto* table = node.as_table();
      if (table == nullptr) refuse(file, node, "host must be a table ([host.\"https://…\"])");
      Endpoint endpoint;
      endpoint.role = Endpoint::Role::mirror;
      endpoint.base = checked_url(std::string(name.str()), file, node);
      endpoint.registry = endpoint.base.authority();
      endpoint.repository = repository;
      endpoint.tls = std::make_shared<TlsSettings>();
      set_base_path(endpoint.base, flag(*table, "override_path", file));
      read_host_table(*table, file, endpoint);
      hosts.emplace_back(node.source().begin.line, std::move(endpoint));
    }
  std::stable_sort(hosts.begin(), hosts.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [line, endpoint] : hosts) out.push_back(std::move(endpoint));
  if (const auto* server = document.get("server")) {
    origin.base = checked_url(server->value_or(std::string()), file, *server);
    origin.scheme = Endpoint::Scheme::fixed;
    set_base_path(origin.base, flag(document, "override_path", file));
  }
  read_host_table(document, file, origin);
  out.push_back(std::move(origin));
  return out;
}

oci::Reference HostsConfig::complete(const oci::Reference& name) const {
  if (!name.registry.empty()) return name;
  const auto with = [&](const oci::Reference& full) {
    if (full.registry.empty())
      throw Error(ErrorCode::invalid_input,
                  concat("registries.conf completes ", dash::quoted(name.to_string()), " to ",
                         dash::quoted(full.to_string()), ", which names no registry either"))
          .with_hint(
              "aliases and unqualified-search-registries name hosts: registry.example, localhost:5000");
    auto out = full;
    out.tag = name.tag;
    out.digest = name.digest;
    return out;
  };
  for (const auto& [alias, target] : aliases_)
    if (alias == name.repository) return with(oci::Reference::parse(target));
  if (search_.size() == 1) return with(oci::Reference::parse(concat(search_.front(), '/', name.repository)));
  throw Error(ErrorCode::usage, search_.empty() ? concat(dash::quoted(name.to_string()), " names no registry")
                                                : concat(dash::quoted(name.to_string()),
                                                         " could be in any of ", join(search_, ", ")))
      .with_hint(
          concat("write it in full: REGISTRY/", name.to_string(), ", or define an alias in registries.conf"));
}

}  // namespace dash::registry
