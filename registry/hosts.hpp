// Where a registry's content really is: mirrors, certificates and plain HTTP, as containerd's certs.d
// (hosts.toml) and containers-registries.conf(5) say.
#pragma once

#include "base/path.hpp"
#include "oci/reference.hpp"
#include "registry/http_client.hpp"
#include "registry/url.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace dash::registry {

struct HostsSettings {
  // Directories with one directory per host ("registry.example:5000", "registry.example_5000_" or
  // "_default"), in the order in which they are looked at; the first that has the host counts. In it
  // hosts.toml, or Docker's
  // *.crt (CAs), *.cert with *.key (client certificate).
  std::vector<fs::path> certs_directories;
  // registries.conf files, later ones adding to earlier ones. Absent ones are skipped.
  std::vector<fs::path> registries_files;
  // Hosts ("registry.example:5000") for which plain HTTP and certificates that nobody vouches for are good
  // enough. Loopback hosts may always speak plain HTTP.
  std::set<std::string> insecure;
};

// One server to ask for a repository.
struct Endpoint {
  Url base;                // "https://mirror.example/v2"
  std::string repository;  // the name there
  std::string registry;    // "mirror.example", for credentials and messages
  std::shared_ptr<const TlsSettings> tls;
  HttpHeaders headers;  // sent with every request to it
  // `https_or_http`: plain HTTP when the server turns out not to speak TLS.
  enum class Scheme { fixed, https_or_http } scheme = Scheme::fixed;
  enum class Role { origin, mirror } role = Role::origin;
  bool pulls = true;     // gives content by digest
  bool resolves = true;  // says what a tag points to
  bool pushes = true;    // takes content
};

// Read once; a value that may be shared by threads.
class HostsConfig {
 public:
  // Throws Error(invalid_input) that names file and line. Directories are only looked at when a host is asked
  // for.
  explicit HostsConfig(HostsSettings settings);

  // Who to ask, mirrors first, the origin last. Error(denied) when registries.conf blocks it.
  std::vector<Endpoint> endpoints(const std::string& registry, const std::string& repository) const;

  // A name without a registry completed by the aliases, or by unqualified-search-registries when that names
  // exactly one. Error(usage) otherwise: which registry is meant is never guessed.
  oci::Reference complete(const oci::Reference& name) const;

 private:
  struct Mirror {
    std::string location;
    enum class For { all, digests, tags } use = For::all;
    bool insecure = false;
  };
  struct Rule {
    std::string prefix;
    std::string location;
    std::vector<Mirror> mirrors;
    bool insecure = false;
    bool blocked = false;
  };
  void read_registries(const fs::path& file);
  const Rule* rule_for(const std::string& name) const;
  std::vector<Endpoint> host_endpoints(const std::string& registry, const std::string& repository,
                                       TlsSettings::Verify verify) const;

  HostsSettings settings_;
  std::vector<Rule> rules_;
  std::vector<std::string> search_;
  std::vector<std::pair<std::string, std::string>> aliases_;
};

}  // namespace dash::registry
