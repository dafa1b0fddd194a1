#include "cli/options.hpp"

#include "base/text.hpp"
#include "cli/version.hpp"

#include <sstream>

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

void add_common(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--home", options.home,
                  "The store (default: $DASH_BUILD_HOME, or /var/lib/dash-build for root)")
      ->type_name("DIR");
}

void add_app(CLI::App& command, AppOptions& options) {
  command.add_option("APP_DIR", options.directory, "The app's source directory")->capture_default_str();
  command
      .add_option("-t,--tag", options.name, "Name of the image in the store (default: the directory's name)")
      ->type_name("NAME[:TAG]");
  command
      .add_option("--base", options.base,
                  "Base image: oci:DIR[:TAG], oci-archive:FILE[:TAG] or a name in the store")
      ->type_name("REF");
  command.add_flag("--workspace", options.workspace, "Build for Workspaces (Python apps only)");
  command.add_flag("--offline", options.offline, "No network: use only what the store has");
  command.add_flag("--no-cache", options.no_cache, "Run every step again (the base image stays)");
  command.add_option("--compression", options.compression, "zstd[:LEVEL], gzip[:LEVEL] or none")
      ->capture_default_str()
      ->type_name("NAME[:LEVEL]");
  command.add_option("--env", options.environment, "Set a variable in the image; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      .add_option(
          "--python-runtime", options.python_runtimes,
          "Archive of a Python for runtime.txt (python-build-standalone, install_only); may be repeated")
      ->type_name("VERSION=URL#sha256=HEX")
      ->allow_extra_args(false);
  command.add_option("--uv", options.uv, "Use this uv instead of the pinned one")->type_name("FILE");
}

const std::map<std::string, Progress> kProgressNames = {{"auto", Progress::automatic},
                                                        {"tty", Progress::tty},
                                                        {"plain", Progress::plain},
                                                        {"json", Progress::json},
                                                        {"quiet", Progress::quiet}};

// In the form of all errors. A first word that is no command is named, which the parser would not do.
std::string usage_error(const CLI::App& app, int argc, const char* const* argv, const std::string& what) {
  const std::string first = argc > 1 ? argv[1] : "";
  std::vector<std::string> commands;
  for (const auto* command : app.get_subcommands(nullptr)) commands.push_back(command->get_name());
  const bool known = std::find(commands.begin(), commands.end(), first) != commands.end();
  if (known || first.empty() || first.starts_with('-'))
    return concat("error: ", what, "\nhint: see 'dash-build ", known ? first + " " : "", "--help'\n");
  return concat("error: ", dash::quoted(first), " is no command\nhint: the commands are ",
                join(commands, ", "), '\n');
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CLI::App app("Builds OCI images of Dash apps, without a daemon.", "dash-build");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("dash-build ") + kVersion);
  app.footer(
      "Examples:\n"
      "  dash-build build ./sales -t sales             build an app into the store\n"
      "  dash-build build ./sales -o oci-archive:sales.tar\n"
      "  dash-build plan ./sales                       what would run, and why\n"
      "  dash-build layer ./site -o oci:image:latest   a directory as a one-layer image\n"
      "\nExit codes are listed in docs/exit-codes.md; 'dash-build COMMAND --help' shows a command's "
      "options.");

  Command chosen = ParseEnd{};
  BuildOptions build;
  auto* build_command = app.add_subcommand("build", "Build an app's image");
  add_app(*build_command, build.app);
  build_command->add_option("-o,--output", build.outputs, "Write the image here too; may be repeated")
      ->type_name("oci:DIR[:TAG]|oci-archive:FILE[:TAG]")
      ->allow_extra_args(false);
  build_command->add_option("--metadata-file", build.metadata_file, "Write digests, layers and steps as JSON")
      ->type_name("FILE");
  build_command->add_option("--progress", build.progress, "auto, tty, plain, json or quiet")
      ->transform(CLI::Transformer(kProgressNames))
      ->option_text("auto|tty|plain|json|quiet")
      ->type_name("MODE");
  build_command->add_option("--threads", build.threads, "Worker threads (default: one per processor)")
      ->type_name("N");
  add_common(*build_command, build.common);
  build_command->footer(
      "Examples:\n"
      "  dash-build build -t sales:1.2 --env APP_TITLE=Sales\n"
      "  dash-build build ./sales --compression gzip -o oci:out:latest --metadata-file sales.json\n"
      "  dash-build build ./sales --offline --base oci-archive:base.tar");
  build_command->callback([&] { chosen = build; });

  PlanOptions plan;
  auto* plan_command = app.add_subcommand("plan", "Show what a build would do, and why; runs nothing");
  add_app(*plan_command, plan.app);
  plan_command->add_flag("--json", plan.json, "Every step with all its inputs, as JSON");
  add_common(*plan_command, plan.common);
  plan_command->footer("Example:\n  dash-build plan ./sales -t sales");
  plan_command->callback([&] { chosen = plan; });

  LayerOptions layer;
  auto* layer_command = app.add_subcommand("layer", "Pack a directory as the (last) layer of an image");
  layer_command->add_option("DIR", layer.directory, "The directory")->required();
  layer_command->add_option("-o,--output", layer.output, "Where the image goes")
      ->required()
      ->type_name("oci:DIR[:TAG]");
  layer_command->add_option("--base", layer.base, "Image to add the layer to")->type_name("REF");
  layer_command->add_option("--prefix", layer.prefix, "Path in the image that the content goes to")
      ->type_name("PATH");
  layer_command->add_option("--compression", layer.compression, "zstd[:LEVEL], gzip[:LEVEL] or none")
      ->capture_default_str()
      ->type_name("NAME[:LEVEL]");
  layer_command->add_option("--threads", layer.threads, "Worker threads (default: one per processor)")
      ->type_name("N");
  layer_command->footer("Example:\n  dash-build layer ./venv --prefix /opt/venv -o oci:image:latest");
  layer_command->callback([&] { chosen = layer; });

  InspectOptions inspect;
  auto* inspect_command = app.add_subcommand("inspect", "Show an image: digests, layers, configuration");
  inspect_command
      ->add_option("IMAGE", inspect.image, "A name in the store, oci:DIR[:TAG] or oci-archive:FILE[:TAG]")
      ->required();
  inspect_command->add_flag("--json", inspect.json, "As JSON");
  add_common(*inspect_command, inspect.common);
  inspect_command->footer("Example:\n  dash-build inspect sales --json");
  inspect_command->callback([&] { chosen = inspect; });

  ImagesOptions images;
  auto* images_command = app.add_subcommand("images", "List the images in the store");
  images_command->add_flag("--json", images.json, "As JSON");
  add_common(*images_command, images.common);
  images_command->callback([&] { chosen = images; });

  RemoveOptions remove;
  auto* remove_command = app.add_subcommand("rm", "Remove names from the store; 'gc' frees the space");
  remove_command->add_option("NAME", remove.names, "Names of images")->required();
  add_common(*remove_command, remove.common);
  remove_command->footer("Example:\n  dash-build rm sales:1.1 && dash-build gc");
  remove_command->callback([&] { chosen = remove; });

  CollectOptions collect;
  auto* collect_command = app.add_subcommand("gc", "Free the space of everything that no named image needs");
  add_common(*collect_command, collect.common);
  collect_command->callback([&] { chosen = collect; });

  ValidateOptions validate;
  auto* validate_command = app.add_subcommand("validate", "Check every blob in the store by size and digest");
  add_common(*validate_command, validate.common);
  validate_command->callback([&] { chosen = validate; });

  DoctorOptions doctor;
  auto* doctor_command =
      app.add_subcommand("doctor", "Check what this host needs for builds, and say how to get it");
  add_common(*doctor_command, doctor.common);
  doctor_command->callback([&] { chosen = doctor; });

  auto* version_command = app.add_subcommand("version", "Print the version");
  version_command->callback([&] { chosen = VersionOptions{}; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return ParseEnd{out.str(), 0};
    return ParseEnd{usage_error(app, argc, argv, error.what()), 2};
  }
  return chosen;
}

}  // namespace dash::cli
