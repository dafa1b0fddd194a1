#include "cli/transfer_options.hpp"

#include "cli/shared_options.hpp"

#include <CLI/CLI.hpp>

namespace dash::cli {

void add_transfer_commands(CLI::App& app, SettingOptions& settings, const Chosen& chosen) {
  {
    auto [command, options] =
        add_command<PushOptions>(app, chosen, "push", "Send an image to a registry",
                                 "Example:\n  dash-build push sales registry.example/team/sales:1.2");
    command
        ->add_option(
            "IMAGE", options->image,
            "A name in the store, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]")
        ->required();
    command->add_option("DESTINATION", options->destination, "REGISTRY/REPOSITORY[:TAG] (default: IMAGE)");
    add_credentials(*command, options->registry);
    add_registry(*command, options->registry);
    settings.add(*command, "progress", options->progress);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add_command<PullOptions>(app, chosen, "pull", "Fetch an image from a registry into the store",
                                 "Example:\n  dash-build pull registry.example/team/sales:1.2 -t sales");
    command->add_option("IMAGE", options->image, "REGISTRY/REPOSITORY[:TAG][@DIGEST]")->required();
    command
        ->add_option("-t,--tag", options->name,
                     "Name in the store (default: IMAGE, with the digest where it has no tag)")
        ->type_name("NAME[:TAG]");
    command
        ->add_option("--platform", options->platform,
                     "Which image of an index, or 'all' (default: this host's)")
        ->type_name("OS/ARCH[/VARIANT]");
    add_credentials(*command, options->registry);
    add_registry(*command, options->registry);
    settings.add(*command, "progress", options->progress);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] = add_command<CopyOptions>(
        app, chosen, "copy", "Copy an image between registries, layouts and the store",
        "Examples:\n"
        "  dash-build copy docker://a.example/app:1 docker://b.example/app:1\n"
        "  dash-build copy sales docker-archive:sales.tar:sales:1.2     # for 'docker load'\n"
        "  dash-build copy oci-archive:sales.tar docker://registry.example/team/sales:1.2");
    constexpr const char* kPlaces =
        "docker://REGISTRY/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], "
        "docker-archive:FILE[:NAME[:TAG]], or a name in the store";
    command->add_option("FROM", options->from, kPlaces)->required();
    command
        ->add_option(
            "TO", options->to,
            "The same; archives hold one image (of an index this host's, or --platform), and a name in "
            "the store has no registry in it")
        ->required();
    command->add_option("--platform", options->platform, "Which image of an index to take")
        ->capture_default_str()
        ->type_name("OS/ARCH[/VARIANT]");
    add_credentials(*command, options->registry, "--creds,--src-creds");
    add_registry(*command, options->registry);
    command->add_option("--dest-creds", options->registry.target_credentials, "The same for the destination")
        ->type_name("USER:PASSWORD");
    settings.add(*command, "progress", options->progress);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] = add_command<TagsOptions>(
        app, chosen, "tags", "List the tags of a repository: names, then versions, the lowest first",
        "Examples:\n  dash-build tags registry.example/team/sales\n"
        "  dash-build tags registry.example/team/sales --json");
    command->add_option("REPOSITORY", options->repository, "REGISTRY/REPOSITORY")->required();
    command->add_flag("--json", options->json, "As JSON: a list of strings");
    add_credentials(*command, options->registry);
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] = add_command<ManifestOptions>(
        app, chosen, "manifest", "Print a manifest or index as the registry has it",
        "Example:\n  dash-build manifest registry.example/team/sales:1.2");
    command->add_option("IMAGE", options->image, "REGISTRY/REPOSITORY[:TAG][@DIGEST]")->required();
    add_credentials(*command, options->registry);
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] = add_command<DeleteOptions>(
        app, chosen, "delete", "Remove a tag, or by digest a manifest, from a registry",
        "Example:\n  dash-build delete registry.example/team/sales:1.2");
    command->add_option("IMAGE", options->image, "REGISTRY/REPOSITORY:TAG or …@DIGEST")->required();
    add_credentials(*command, options->registry);
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add_command<LoginOptions>(app, chosen, "login", "Store a user's password for a registry",
                                  "The password is read from standard input, never from the command line, "
                                  "where others see it.\n"
                                  "To use one once without storing it: --creds USER:PASSWORD of push, pull, "
                                  "copy, build and the other commands that ask a registry for images.\n\n"
                                  "Examples:\n"
                                  "  dash-build login registry.example -u sam < password.txt\n"
                                  "  get-token | dash-build login registry.example -u sam --password-stdin");
    command->add_option("REGISTRY", options->host, "HOST[:PORT]")->required();
    command->add_option("-u,--user,--username", options->user, "User name")->required();
    command->add_flag("--password-stdin")
        ->description(
            "As 'docker login' has it; here the password always comes from standard input, a terminal asks "
            "for it");
    add_registry(*command, options->registry);
    add_common(settings, *command, options->common);
  }
  {
    auto [command, options] =
        add_command<LogoutOptions>(app, chosen, "logout", "Forget a registry's password",
                                   "Example:\n  dash-build logout registry.example");
    command->add_option("REGISTRY", options->host, "HOST[:PORT]")->required();
    command->add_option("--authfile", options->registry.auth_file, "Where it is stored (default: as login)")
        ->type_name("FILE");
    add_common(settings, *command, options->common);
  }
}

}  // namespace dash::cli
