#include "cli/transfer_options.hpp"

#include <memory>

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

void add_common(SettingOptions& settings, CLI::App& command, CommonOptions& options) {
  settings.add(command, "home", options.home);
  settings.add(command, "ca_bundle", options.ca_bundle);
}

void add_registry(CLI::App& command, RegistryOptions& options, const std::string& credentials = "--creds") {
  command.add_option(credentials, options.credentials, "Instead of what config.json or auth.json says")
      ->type_name("USER:PASSWORD");
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

// A subcommand whose options live as long as the parser's callbacks.
template <class Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add(CLI::App& app, const std::function<void(Command)>& chosen,
                                                   const std::string& name, const std::string& what,
                                                   const std::string& footer) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand(name, what);
  command->footer(footer);
  command->callback([options, chosen] { chosen(*options); });
  return {command, options};
}

}  // namespace

void add_transfer_commands(CLI::App& app, SettingOptions& settings,
                           const std::function<void(Command)>& chosen) {
  {
    auto [command, options] =
        add<PushOptions>(app, chosen, "push", "Send an image to a registry",
                         "Example:\n  dash-build push sales registry.example/team/sales:1.2");
    command
        ->add_option(
            "IMAGE", options->image,
            "A name in the store, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]")
        ->required();
    command->add_option("DESTINATION", options->destination, "REGISTRY/REPOSITORY[:TAG] (default: IMAGE)");
    add_registry(*command, options->registry);
    settings.add(*command, "progress", options->progress);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add<PullOptions>(app, chosen, "pull", "Fetch an image from a registry into the store",
                         "Example:\n  dash-build pull registry.example/team/sales:1.2 -t sales");
    command->add_option("IMAGE", options->image, "REGISTRY/REPOSITORY[:TAG][@DIGEST]")->required();
    command->add_option("-t,--tag", options->name, "Name in the store (default: IMAGE)")
        ->type_name("NAME[:TAG]");
    command
        ->add_option("--platform", options->platform,
                     "Which image of an index, or 'all' (default: this host's)")
        ->type_name("OS/ARCH[/VARIANT]");
    add_registry(*command, options->registry);
    settings.add(*command, "progress", options->progress);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add<CopyOptions>(app, chosen, "copy", "Copy an image between registries, layouts and the store",
                         "Example:\n  dash-build copy docker://a.example/app:1 docker://b.example/app:1");
    constexpr const char* kPlaces =
        "docker://REGISTRY/REPOSITORY[:TAG], oci:DIR[:TAG], or a name in the store";
    command->add_option("FROM", options->from, kPlaces)->required();
    command->add_option("TO", options->to, kPlaces)->required();
    command->add_option("--platform", options->platform, "Which image of an index to take")
        ->capture_default_str()
        ->type_name("OS/ARCH[/VARIANT]");
    add_registry(*command, options->registry, "--creds,--src-creds");
    command->add_option("--dest-creds", options->registry.target_credentials, "The same for the destination")
        ->type_name("USER:PASSWORD");
    settings.add(*command, "progress", options->progress);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] = add<TagsOptions>(app, chosen, "tags", "List the tags of a repository",
                                               "Example:\n  dash-build tags registry.example/team/sales");
    command->add_option("REPOSITORY", options->repository, "REGISTRY/REPOSITORY")->required();
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add<ManifestOptions>(app, chosen, "manifest", "Print a manifest or index as the registry has it",
                             "Example:\n  dash-build manifest registry.example/team/sales:1.2");
    command->add_option("IMAGE", options->image, "REGISTRY/REPOSITORY[:TAG][@DIGEST]")->required();
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add<DeleteOptions>(app, chosen, "delete", "Remove a tag, or by digest a manifest, from a registry",
                           "Example:\n  dash-build delete registry.example/team/sales:1.2");
    command->add_option("IMAGE", options->image, "REGISTRY/REPOSITORY:TAG or …@DIGEST")->required();
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add<LoginOptions>(app, chosen, "login", "Store a user's password for a registry",
                          "Example:\n  dash-build login registry.example -u sam < password.txt");
    command->add_option("REGISTRY", options->host, "HOST[:PORT]")->required();
    command->add_option("-u,--user", options->user, "User name; the password is read from standard input")
        ->required();
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] = add<LogoutOptions>(app, chosen, "logout", "Forget a registry's password",
                                                 "Example:\n  dash-build logout registry.example");
    command->add_option("REGISTRY", options->host, "HOST[:PORT]")->required();
    command->add_option("--authfile", options->registry.auth_file, "Where it is stored (default: as login)")
        ->type_name("FILE");
    add_common(settings, *command, options->common);
  }
}

}  // namespace dash::cli
