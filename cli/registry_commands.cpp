// `tags`, `manifest`, `delete`, `login` and `logout`: what a registry has, and who may ask.
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/registry_access.hpp"
#include "oci/reference.hpp"
#include "registry/mirror/semver.hpp"
#include "registry/registry_client.hpp"
#include "registry/tag_removal.hpp"

#include <iostream>

#include <nlohmann/json.hpp>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace dash::cli {

namespace {

// A session and the client of one repository.
struct Opened {
  builder::HostSettings host;
  oci::Reference name;
  registry::RegistrySession session;
  registry::RegistryClient client;

  Opened(const std::string& text, const CommonOptions& common, const RegistryOptions& options,
         const std::stop_token& stop, registry::RegistryClient::Use use = registry::RegistryClient::Use::read)
      : host(read_host_settings(common)),
        name(oci::Reference::parse(oci::without_transport(text))),
        session(registry_settings(options, host, common.home, name.registry)),
        client(session, name = session.hosts().complete(name), stop, use) {}
};

// A terminal that does not show what is typed, for as long as this lives.
class NoEcho {
 public:
  NoEcho() {
    ::tcgetattr(STDIN_FILENO, &before_);
    auto quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~NoEcho() { ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
};

std::string ask_password(const std::stop_token& stop) {
  constexpr int kMilliseconds = 100;
  std::cerr << "Password: " << std::flush;
  const NoEcho hidden;
  for (pollfd line{STDIN_FILENO, POLLIN, 0}; ::poll(&line, 1, kMilliseconds) <= 0;)
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "canceled");
  std::string out;
  std::getline(std::cin, out);
  std::cerr << '\n';
  return out;
}

std::string read_password(const std::stop_token& stop) {
  constexpr std::uint64_t kLimit = std::uint64_t{64} << 10;
  FdSource input(STDIN_FILENO, "standard input");
  auto out = ::isatty(STDIN_FILENO) == 1 ? ask_password(stop)
                                         : read_all(input, kLimit, "the password on standard input");
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  if (out.empty())
    throw Error(ErrorCode::usage, "there is no password on standard input")
        .with_hint("dash-build login REGISTRY -u USER < password.txt");
  return out;
}

}  // namespace

int run_command(const TagsOptions& options, std::stop_token stop) {
  Opened registry(options.repository, options.common, options.registry, stop);
  if (!registry.name.tag.empty() || registry.name.digest)
    throw Error(ErrorCode::usage, concat("'tags ", options.repository, "' names one image of a repository"))
        .with_hint(concat("leave the tag out to list them all; 'dash-build manifest ", options.repository,
                          "' shows whether one is there"));
  auto tags = registry.client.tags();
  registry::sort_by_version(tags);
  if (options.json) {
    std::cout << nlohmann::json(tags).dump(2) << '\n';
    return 0;
  }
  for (const auto& tag : tags) std::cout << tag << '\n';
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
  const bool was_there = name.digest ? registry::remove_manifest(registry.client, *name.digest)
                                     : registry::remove_tag(registry.client, name.tag);
  if (!was_there) throw Error(ErrorCode::not_found, concat(name.to_string(), " is not there"));
  return 0;
}

int run_command(const LoginOptions& options, std::stop_token stop) {
  const auto host = read_host_settings(options.common);
  const auto file = login_file(options.registry, host);
  auto registry = options.registry;
  registry.auth_file.clear();
  registry.credentials = concat(options.user, ':', read_password(stop));
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
  // As other clients do: a registry may let everybody in at the door and ask further inside.
  if (client.asks_for_credentials())
    std::cout << "logged in to " << options.host << " (" << file.string() << ")\n";
  else
    std::cout << options.host << " did not ask for a password, so this one was not checked; it is stored in "
              << file.string() << ", and 'dash-build logout " << options.host << "' removes it\n";
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
