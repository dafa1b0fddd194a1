#include "cli/shared_options.hpp"

#include <CLI/CLI.hpp>

namespace dash::cli {

CLI::App& add_subcommand(CLI::App& parent, const std::string& name, const std::string& what,
                         const std::string& footer, std::function<void()> chosen) {
  auto& command = *parent.add_subcommand(name, what);
  command.footer(footer);
  command.callback(std::move(chosen));
  return command;
}

void add_common(SettingOptions& settings, CLI::App& command, CommonOptions& options) {
  settings.add(command, "home", options.home);
  settings.add(command, "ca_bundle", options.ca_bundle);
}

void add_registry(CLI::App& command, RegistryOptions& options) {
  command
      .add_option("--authfile", options.auth_file,
                  "Credentials (default: $REGISTRY_AUTH_FILE, auth.json, config.json)")
      ->type_name("FILE");
  command
      .add_option("--certs-dir", options.certs_directory,
                  "A directory like /etc/containerd/certs.d, looked at before those of the system")
      ->type_name("DIR");
  command
      .add_option("--insecure", options.insecure,
                  "Accept plain HTTP and any certificate from this host; may be repeated")
      ->type_name("HOST[:PORT]")
      ->allow_extra_args(false);
}

void add_credentials(CLI::App& command, RegistryOptions& options, const std::string& name) {
  command.add_option(name, options.credentials, "Instead of what config.json or auth.json says")
      ->type_name("USER:PASSWORD");
}

}  // namespace dash::cli
