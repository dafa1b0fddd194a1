#include "cli/mirror_options.hpp"

#include "cli/bundle_options.hpp"
#include "cli/shared_options.hpp"

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

void add_sync(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  auto [command, options] = add_command<MirrorSyncOptions>(
      group, chosen, "sync", "Bring the images that a file lists to their destinations",
      "Examples:\n"
      "  dash-build mirror sync mirror.toml --dry-run\n"
      "  dash-build mirror sync mirror.toml --prune --json > report.json\n"
      "\n"
      "A file (docs/formats/mirror.md):\n"
      "  destination = \"mirror.example:5000/{repository}\"\n"
      "  [[image]]\n"
      "  source = \"registry.example/team/app\"\n"
      "  tags = [\"semver:>=1.2 <2\", \"latest\"]\n"
      "  platforms = [\"linux/amd64\"]");
  command->add_option("FILE", options->file, "Which images, and where to")->required()->type_name("FILE");
  command->add_flag("--dry-run", options->dry_run, "Say what would be copied and removed; write nothing");
  command->add_flag_function(
      "--prune,!--no-prune",
      [options = options](std::int64_t count) {
        options->prune = count > 0 ? MirrorSyncOptions::Prune::yes : MirrorSyncOptions::Prune::no;
      },
      "Remove tags from the destinations that the file does not mean (default: as the file says)");
  command->add_flag("--fail-fast", options->fail_fast, "Stop at the first failure instead of going on");
  command->add_flag("--json", options->json, "Print the report as JSON");
  add_registry(*command, options->registry);
  settings.add(*command, "progress", options->progress);
  add_common(settings, *command, options->common);
}

void add_packages(CLI::App& group, SettingOptions& settings, const Chosen& chosen) {
  auto [command, options] = add_command<MirrorPackagesOptions>(
      group, chosen, "packages",
      "Collect the conda and Python packages that apps need, for a plain web server",
      "Examples:\n"
      "  dash-build mirror packages carried.tar sales weather --url https://mirror.example\n"
      "  dash-build mirror packages /srv/mirror docker://registry.example/sales pylock.toml\n"
      "  cd /srv/mirror && python3 -m http.server 8000        serves it; dash-build.toml has the settings\n"
      "\n"
      "A directory keeps what other apps brought; a file that ends in .tar is made anew (docs/conda.md).");
  command->add_option("OUTPUT", options->output, "A directory, or a file that ends in .tar")
      ->required()
      ->type_name("DIR|FILE.tar");
  command
      ->add_option("FROM", options->from,
                   "Images that were built of the apps, in the store or docker://…, and files with locks")
      ->required()
      ->type_name("IMAGE|FILE");
  command
      ->add_option("--installer", options->installers,
                   "A conda installer too, as conda-runtime.txt names it; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--url", options->url, "Where machines will see the directory, for its dash-build.toml")
      ->type_name("URL")
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print the result as JSON");
  for (auto* words : {&options->app.conda_installers, &options->app.conda_mirrors})
    settings.add(*command, words == &options->app.conda_mirrors ? "conda_mirrors" : "conda_installers",
                 *words);
  settings.add(*command, "conda_base_url", options->app.conda_base_url);
  add_registry(*command, options->registry);
  settings.add(*command, "progress", options->progress);
  add_common(settings, *command, options->common);
}

}  // namespace

void add_mirror_commands(CLI::App& app, SettingOptions& settings, const Chosen& chosen) {
  auto& group =
      *app.add_subcommand("mirror", "Keep sets of images in other registries, also where no network leads");
  group.require_subcommand(1);
  group.footer(
      "Examples:\n"
      "  dash-build mirror sync mirror.toml                   from registry to registry\n"
      "  dash-build mirror export july.tar --from mirror.toml into a file that is carried\n"
      "  dash-build mirror import july.tar registry.example   and from there into another registry\n"
      "  dash-build mirror packages /srv/mirror sales         what building the app needs, for a web server");
  add_sync(group, settings, chosen);
  add_packages(group, settings, chosen);
  add_bundle_commands(group, settings, chosen);
}

}  // namespace dash::cli
