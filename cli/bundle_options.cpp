#include "cli/bundle_options.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/shared_options.hpp"

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

constexpr const char* kBundle = "A file, or the first part of its parts' names (FILE.001 …)";

void add_export(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  auto [command, options] = add_command<MirrorExportOptions>(
      group, chosen, "export", "Write images into a bundle that can be carried",
      "Examples:\n"
      "  dash-build mirror export july.tar --from mirror.toml\n"
      "  dash-build mirror export august.tar --from mirror.toml --since july.tar --split 4000M\n"
      "  dash-build mirror export - --from registry.example/team/app:1.2 sales:latest | ssh gateway 'cat > "
      "b.tar'");
  command->add_option("BUNDLE", options->bundle, "The file to write; '-' for standard output")
      ->required()
      ->type_name("FILE");
  command
      ->add_option(
          "--from", options->from,
          "A list as 'mirror sync' has it, images in registries, names in the store, oci:DIR[:TAG]; may be "
          "repeated")
      ->required()
      ->type_name("FILE.toml|IMAGE");
  command
      ->add_option("--since", options->since,
                   "Leave out what this bundle, or the destination's inventory, has")
      ->type_name("BUNDLE|INVENTORY");
  command
      ->add_option("--split", options->split,
                   "Cut the bundle into files of this size, for media that hold less")
      ->type_name("SIZE");
  command
      ->add_option("--platform", options->platforms,
                   "What to take of the indexes of --from IMAGE (default: everything); may be repeated")
      ->type_name("OS/ARCH[/VARIANT]")
      ->allow_extra_args(false);
  command->add_flag("--referrers", options->referrers,
                    "With signatures, SBOMs and attestations of --from IMAGE in registries");
  command->add_flag("--json", options->json, "Print the report as JSON");
  add_registry(*command, options->registry);
  add_credentials(*command, options->registry);
  settings.add(*command, "progress", options->progress);
  add_common(settings, *command, options->common);
}

void add_import(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  auto [command, options] = add_command<MirrorImportOptions>(
      group, chosen, "import", "Bring the images of a bundle into a registry",
      "Examples:\n"
      "  dash-build mirror import july.tar registry.example:5000/mirror\n"
      "  dash-build mirror import july.tar registry.example --map docker.example/library=base\n"
      "  cat july.tar.* | dash-build mirror import - registry.example");
  command->add_option("BUNDLE", options->bundle, concat(kBundle, "; '-' for standard input"))
      ->required()
      ->type_name("FILE");
  command->add_option("DESTINATION", options->destination, "Where the images go, below their own names")
      ->required()
      ->type_name("REGISTRY[/PREFIX]");
  command
      ->add_option("--map", options->map,
                   "Names that are FROM, or lie below it, lie below TO; may be repeated")
      ->type_name("FROM=TO")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "Print the report as JSON");
  add_registry(*command, options->registry);
  add_credentials(*command, options->registry);
  settings.add(*command, "progress", options->progress);
  add_common(settings, *command, options->common);
}

void add_inventory(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  auto [command, options] = add_command<MirrorInventoryOptions>(
      group, chosen, "inventory", "Print what a registry or a bundle has, for 'export --since'",
      "Example:\n  dash-build mirror inventory registry.example:5000/mirror > inventory.json");
  command
      ->add_option("PLACE", options->place, "A bundle, or a registry with all its repositories below PREFIX")
      ->required()
      ->type_name("REGISTRY[/PREFIX]|BUNDLE");
  add_registry(*command, options->registry);
  add_credentials(*command, options->registry);
  add_common(settings, *command, options->common);
}

void add_verify(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  auto [command, options] =
      add_command<MirrorVerifyOptions>(group, chosen, "verify", "Check every byte of a bundle",
                                       "Example:\n  dash-build mirror verify july.tar");
  command->add_option("BUNDLE", options->bundle, kBundle)->required()->type_name("FILE");
  settings.add(*command, "progress", options->progress);
  settings.add(*command, "threads", options->threads);
  add_common(settings, *command, options->common);
}

}  // namespace

void add_bundle_commands(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  add_export(group, settings, chosen);
  add_import(group, settings, chosen);
  add_inventory(group, settings, chosen);
  add_verify(group, settings, chosen);
}

}  // namespace dash::cli
