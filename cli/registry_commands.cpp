// `tags`, `manifest`, `delete`, `login` and `logout`: what a registry has, and who may ask.
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/registry_access.hpp"
#include "oci/reference.hpp"
#include "registry/registry_client.hpp"
#include "registry/tag_removal.hpp"

#include <iostream>

#include <unistd.h>

namespace dash::cli {

namespace {

// A session and the client of one repository.
struct Opened {
  builder::HostSettings host;
  registry::RegistrySession session;
  oci::Reference name;
  registry::RegistryClient client;

  Opened(const std::string& text, const CommonOptions& common, const RegistryOptions& options,
         const std::stop_token& stop, registry::RegistryClient::Use use = registry::RegistryClient::Use::read)
      : host(read_host_settings(common)),
        session(registry_settings(options, host, common.home, oci::Reference::parse(text).registry)),
        name(session.hosts().complete(oci::Reference::parse(text))),
        client(session, name, stop, use) {}
};

std::string read_password() {
  constexpr std::uint64_t kLimit = std::uint64_t{64} << 10;
  FdSource input(STDIN_FILENO, "standard input");
  auto out = read_all(input, kLimit, "the password on standard input");
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  if (out.empty())
    throw Error(ErrorCode::usage, "there is no password on standard input")
        .with_hint("dash-build login REGISTRY -u USER < password.txt");
  return out;
}

}  // namespace

int run_command(const TagsOptions& options, std::stop_token stop) {
  Opened registry(options.repository, options.common, options.registry, stop);
  for (const auto& tag : registry.client.tags()) std::cout << tag << '\n';
  return 0;
}

int run_command(const ManifestOptions& options, std::stop_token stop) {
  Opened registry(options.image, options.common, options.registry, stop);
  const auto name = registry.name.with_default_tag();
  std::cout << registry.client.manifest(name.digest ? name.digest->to_string() : name.tag).bytes;
  return 0;
}

int run_command(const DeleteOptions& options, std::stop_token stop) {
  Opened registry(options.image, options.common, options.registry, stop,
                  registry::RegistryClient::Use::write);
  const auto& name = registry.name;
  if (name.tag.empty() && !name.digest)
    throw Error(ErrorCode::usage, concat("'delete ", options.image, "' names neither a tag nor a digest"))
        .with_hint("a digest removes the manifest with all its tags");
  const bool was_there = name.digest ? registry.client.delete_manifest(name.digest->to_string())
                                     : registry::remove_tag(registry.client, name.tag);
  if (!was_there) throw Error(ErrorCode::not_found, concat(name.to_string(), " is not there"));
  return 0;
}

int run_command(const LoginOptions& options, std::stop_token stop) {
  const auto host = read_host_settings(options.common);
  const auto file = login_file(options.registry, host);
  auto registry = options.registry;
  registry.auth_file.clear();
  registry.credentials = concat(options.user, ':', read_password());
  const registry::Credential credential{options.user, registry.credentials.substr(options.user.size() + 1),
                                        "", "", ""};
  auto settings = registry_settings(registry, host, options.common.home, options.host);
  settings.credentials.given[options.host].origin = "standard input";
  registry::RegistrySession session(settings);
  auto endpoint = session.hosts().endpoints(options.host, {}).back();
  registry::EndpointClient client(session, endpoint, stop);
  registry::Call call;
  call.url = endpoint.base;
  call.url->path += '/';
  auto reply = client.send(call);
  if (reply.status() != 200) client.fail(reply);
  registry::store_login(file, options.host, credential, settings.credentials, stop);
  std::cout << "logged in to " << options.host << " (" << file.string() << ")\n";
  return 0;
}

int run_command(const LogoutOptions& options, std::stop_token stop) {
  const auto host = read_host_settings(options.common);
  const auto file = login_file(options.registry, host);
  registry::CredentialSettings settings;
  settings.helper_environment = host.environment;
  if (!registry::remove_login(file, options.host, settings, std::move(stop)))
    throw Error(ErrorCode::not_found, concat(file.string(), " has no credentials for ", options.host));
  return 0;
}

}  // namespace dash::cli
