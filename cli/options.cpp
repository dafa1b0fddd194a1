#include "cli/options.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/completion.hpp"
#include "cli/mirror_options.hpp"
#include "cli/setting_options.hpp"
#include "cli/shared_options.hpp"
#include "cli/transfer_options.hpp"
#include "cli/version.hpp"

#include <sstream>

#include <CLI/CLI.hpp>

namespace dash::cli {

namespace {

constexpr const char* kImageForms =
    "A name in the store, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]";

void add_app(SettingOptions& settings, CLI::App& command, AppOptions& options) {
  command.add_option("APP_DIR", options.directory, "The app's source directory")->capture_default_str();
  command
      .add_option("-t,--tag", options.name, "Name of the image in the store (default: the directory's name)")
      ->type_name("NAME[:TAG]");
  settings.add(command, "base", options.base);
  command.add_flag("--workspace", options.workspace, "Build for Workspaces (Python apps only)");
  settings.add(command, "offline", options.offline);
  settings.add(command, "airgapped", options.airgapped);
  command.add_flag("--no-cache", options.no_cache, "Run every step again (the base image stays)");
  command.add_flag("--explain", options.explain,
                   "Show everything that each step depends on, and what it was before");
  auto* upgrade =
      command.add_flag("--upgrade", options.upgrade,
                       "Take the newest Python packages that fit instead of those of the last build");
  auto* one = command
                  .add_option("--upgrade-package", options.upgrade_packages,
                              "Take the newest version of this package; may be repeated")
                  ->type_name("NAME")
                  ->allow_extra_args(false);
  command
      .add_option(
          "--locked", options.locked,
          "Install exactly the Python packages of this lock (pylock.toml), or of this image in the store")
      ->type_name("FILE|NAME")
      ->excludes(upgrade, one);
  settings.add(command, "compression", options.compression);
  command.add_option("--env", options.environment, "Set a variable in the image; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  settings.add(command, "index_strategy", options.index_strategy);
  settings.add(command, "compile_bytecode", options.compile_bytecode);
  settings.add(command, "package_layers", options.package_layers);
  settings.add(command, "python_runtimes", options.python_runtimes);
  settings.add(command, "conda_base_url", options.conda_base_url);
  settings.add(command, "conda_installers", options.conda_installers);
  settings.add(command, "conda_mirrors", options.conda_mirrors);
  settings.add(command, "conda_pins", options.conda_pins);
  settings.add(command, "condarc", options.condarc);
  settings.add(command, "conda_install", options.conda_install);
  settings.add(command, "nltk_index", options.nltk_index);
  settings.add(command, "uv", options.uv);
  add_registry(command, options.registry);
  settings.add(command, "quota", options.quota);
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* command : app.get_subcommands(nullptr)) out.push_back(command->get_name());
  return out;
}

// In the form of all errors. A word that is no command is named, which the parser would not do.
std::string usage_error(const CLI::App& app, int argc, const char* const* argv, const std::string& what) {
  const auto* group = &app;
  std::string command;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto names = command_names(*group);
    if (names.empty() || word.empty() || word.starts_with('-')) break;
    if (std::find(names.begin(), names.end(), word) == names.end())
      return concat("error: ", dash::quoted(command + word), " is no command\nhint: the commands are ",
                    command, join(names, ", " + command), '\n');
    group = group->get_subcommand(word);
    command += word + ' ';
  }
  return concat("error: ", what, "\nhint: see 'dash-build ", command, "--help'\n");
}

// All commands and where their options go; lives as long as the parsing.
class CommandLine {
 public:
  explicit CommandLine(const std::map<std::string, std::string>& variables) : settings_(variables) {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("dash-build ") + kVersion);
    app_.footer(
        "Examples:\n"
        "  dash-build build ./sales -t sales             build an app into the store\n"
        "  dash-build build ./sales -o oci-archive:sales.tar\n"
        "  dash-build plan ./sales                       what would run, and why\n"
        "  dash-build layer ./site -o oci:image:latest   a directory as a one-layer image\n"
        "\nExit codes are listed in docs/exit-codes.md, settings in docs/configuration.md;\n"
        "'dash-build COMMAND --help' shows a command's options.");
    add_building();
    add_images();
    add_store();
    const auto choose = [this](Command command) { chosen_ = std::move(command); };
    add_transfer_commands(app_, settings_, choose);
    add_mirror_commands(app_, settings_, choose);
    add_host();
  }

  Command parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      std::ostringstream out;
      std::ostringstream err;
      if (app_.exit(error, out, err) == 0) return ParseEnd{out.str(), 0};
      return ParseEnd{usage_error(app_, argc, argv, error.what()), 2};
    }
    if (app_.got_subcommand("doctor")) {
      report_fault();
    } else {
      settings_.check();
    }
    if (auto* config = std::get_if<ConfigOptions>(&chosen_)) config->values = settings_.effective();
    return std::move(chosen_);
  }

 private:
  template <class Options>
  CLI::App& add(const char* name, const char* what, const char* footer, Options& options) {
    auto& command = *app_.add_subcommand(name, what);
    command.footer(footer);
    command.callback([this, &options] { chosen_ = options; });
    return command;
  }

  static void add_push(CLI::App& command, AppOptions& app, const char* what) {
    command.add_option("--push", app.push, what)
        ->type_name("REGISTRY/REPOSITORY[:TAG]")
        ->allow_extra_args(false);
  }

  void add_building() {
    auto& build = add(
        "build", "Build an app's image",
        "Examples:\n"
        "  dash-build build -t sales:1.2 --env APP_TITLE=Sales\n"
        "  dash-build build ./sales --compression gzip -o oci:out:latest --metadata-file s.json\n"
        "  dash-build build ./sales --offline --base oci-archive:base.tar\n"
        "  dash-build build ./sales --push registry.example/team/sales:1.2   reuses the image it replaces\n"
        "  dash-build build ./sales --cache-from registry.example/team/sales:main\n"
        "  dash-build build ./sales --secret id=netrc,src=$HOME/.netrc\n"
        "  dash-build build ./sales --upgrade-package pandas\n"
        "  dash-build build ./sales --locked pylock.toml",
        build_);
    add_app(settings_, build, build_.app);
    build.add_option("-o,--output", build_.outputs, "Write the image here too; may be repeated")
        ->type_name("oci:DIR[:TAG]|oci-archive:FILE[:TAG]|docker-archive:FILE[:NAME]")
        ->allow_extra_args(false);
    add_push(build, build_.app, "Send the image to this registry when it is built; may be repeated");
    add_credentials(build, build_.app.registry);
    settings_.add(build, "cache_from", build_.app.cache_from);
    settings_.add(build, "cache_to", build_.cache_to);
    build
        .add_option("--secret", build_.app.secrets,
                    "A file for build commands only, at /run/secrets/ID; may be repeated")
        ->type_name("id=ID,src=FILE|id=ID,env=NAME")
        ->allow_extra_args(false);
    build.add_option("--metadata-file", build_.metadata_file, "Write digests, layers and steps as JSON")
        ->type_name("FILE");
    settings_.add(build, "progress", build_.progress);
    settings_.add(build, "threads", build_.threads);
    add_common(settings_, build, build_.common);

    auto& plan = add(
        "plan", "Show what a build would do, and why; runs nothing",
        "Examples:\n  dash-build plan ./sales -t sales\n  dash-build plan ./sales -t sales --explain", plan_);
    add_app(settings_, plan, plan_.app);
    add_push(plan, plan_.app, "As with 'build --push': look at the image that it would replace");
    add_credentials(plan, plan_.app.registry);
    settings_.add(plan, "cache_from", plan_.app.cache_from);
    plan.add_flag("--json", plan_.json, "Every step with all its inputs, as JSON");
    add_common(settings_, plan, plan_.common);

    auto& lock = add("lock", "Print the lock of a built image: its Python packages, each version and file",
                     "Examples:\n"
                     "  dash-build lock sales -o pylock.toml\n"
                     "  dash-build build ./sales --locked pylock.toml\n"
                     "  dash-build lock --conda weather -o conda-requirements.txt",
                     lock_);
    auto* image = lock.add_option(
        "IMAGE", lock_.image,
        "A name in the store, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker://REGISTRY/NAME[:TAG] "
        "(default: the name of the app's directory)");
    lock.add_option("--app", lock_.directory, "The app's directory")
        ->capture_default_str()
        ->type_name("DIR")
        ->excludes(image);
    lock.add_flag_callback(
        "--conda", [this] { lock_.kind = LockKind::conda; },
        "The lock of the conda packages (@EXPLICIT) instead");
    lock.add_option("-o,--output", lock_.output, "Write it to this file")->type_name("FILE");
    add_registry(lock, lock_.registry);
    add_common(settings_, lock, lock_.common);
  }

  void add_images() {
    auto& layer = add("layer", "Pack a directory as the (last) layer of an image",
                      "Example:\n  dash-build layer ./venv --prefix /opt/venv -o oci:image:latest", layer_);
    layer.add_option("DIR", layer_.directory, "The directory")->required();
    layer.add_option("-o,--output", layer_.output, "Where the image goes")
        ->required()
        ->type_name("oci:DIR[:TAG]");
    layer.add_option("--base", layer_.base, "Image to add the layer to")->type_name("REF");
    layer.add_option("--prefix", layer_.prefix, "Path in the image that the content goes to")
        ->type_name("PATH");
    settings_.add(layer, "compression", layer_.compression);
    settings_.add(layer, "threads", layer_.threads);
    add_common(settings_, layer, layer_.common);

    auto& inspect = add("inspect", "Show an image: digests, layers, configuration",
                        "Example:\n  dash-build inspect sales --json", inspect_);
    inspect.add_option("IMAGE", inspect_.image, kImageForms)->required();
    inspect.add_flag("--json", inspect_.json, "As JSON");
    add_common(settings_, inspect, inspect_.common);
  }

  void add_store() {
    auto& images =
        add("images", "List the images in the store", "Example:\n  dash-build images --json", images_);
    images.add_flag("--json", images_.json, "As JSON");
    add_common(settings_, images, images_.common);

    auto& remove = add("rm", "Remove names from the store; 'gc' frees the space",
                       "Example:\n  dash-build rm sales:1.1 && dash-build gc", remove_);
    remove.add_option("NAME", remove_.names, "Names of images")->required();
    add_common(settings_, remove, remove_.common);

    auto& usage = add("df", "Show what takes the store's disk",
                      "Examples:\n  dash-build df\n  dash-build df --json", usage_);
    usage.add_flag("--json", usage_.json, "As JSON, with every item");
    settings_.add(usage, "quota", usage_.quota);
    add_common(settings_, usage, usage_.common);

    auto& collect = add("gc", "Free the space of everything that no named image needs",
                        "Examples:\n"
                        "  dash-build gc                       what no named image needs, and what is old\n"
                        "  dash-build gc --older-than 0        every package and toolchain, too\n"
                        "  dash-build gc --keep-bytes 20G      until the store takes no more than that",
                        collect_);
    collect
        .add_option("--older-than", collect_.older_than,
                    "Packages, toolchains and caches go when nothing used them for so long")
        ->capture_default_str()
        ->type_name("TIME");
    collect
        .add_option("--keep-bytes", collect_.keep_bytes,
                    "Then go on with what was used least recently until the store takes no more")
        ->type_name("SIZE");
    add_common(settings_, collect, collect_.common);

    auto& validate = add("validate", "Check every blob in the store by size and digest",
                         "Example:\n  dash-build validate --home /srv/dash-build", validate_);
    add_common(settings_, validate, validate_.common);
  }

  void add_host() {
    auto& doctor = add("doctor", "Check what this host needs for builds, and say how to get it",
                       "Examples:\n  dash-build doctor\n  dash-build doctor --json", doctor_);
    doctor.add_flag("--json", doctor_.json, "As JSON");
    settings_.add(doctor, "base", doctor_.base);
    settings_.add(doctor, "offline", doctor_.offline);
    settings_.add(doctor, "uv", doctor_.uv);
    add_common(settings_, doctor, doctor_.common);

    add_config();
    auto& completion = add("completion", "Print completions for a shell",
                           "Examples:\n"
                           "  dash-build completion bash > /etc/bash_completion.d/dash-build\n"
                           "  dash-build completion zsh > /usr/local/share/zsh/site-functions/_dash-build\n"
                           "  dash-build completion fish > ~/.config/fish/completions/dash-build.fish",
                           completion_);
    completion
        .add_option_function<std::string>(
            "SHELL",
            [this](const std::string& shell) { completion_.script = completion_script(app_, shell); },
            "bash, zsh or fish")
        ->required()
        ->type_name("bash|zsh|fish");
    add("version", "Print the version", "Example:\n  dash-build version", version_);
  }

  void add_config() {
    auto& config =
        add("config", "Show the settings that hold, and where each comes from",
            "Examples:\n  dash-build config\n  dash-build config --compression gzip --json", config_);
    auto* json = config.add_flag_callback(
        "--json", [this] { config_.form = ConfigOptions::Form::json; }, "As JSON");
    config
        .add_flag_callback(
            "--table", [this] { config_.form = ConfigOptions::Form::table; },
            "All settings, as in docs/configuration.md")
        ->excludes(json);
    add_app_settings(config);
    settings_.add(config, "progress", unused_.progress);
    settings_.add(config, "threads", unused_.threads);
    settings_.add(config, "home", unused_.common.home);
    settings_.add(config, "ca_bundle", unused_.common.ca_bundle);
  }

  void add_app_settings(CLI::App& command) {
    settings_.add(command, "base", unused_.app.base);
    settings_.add(command, "offline", unused_.app.offline);
    settings_.add(command, "airgapped", unused_.app.airgapped);
    settings_.add(command, "compression", unused_.app.compression);
    settings_.add(command, "index_strategy", unused_.app.index_strategy);
    settings_.add(command, "compile_bytecode", unused_.app.compile_bytecode);
    settings_.add(command, "package_layers", unused_.app.package_layers);
    settings_.add(command, "python_runtimes", unused_.app.python_runtimes);
    settings_.add(command, "conda_base_url", unused_.app.conda_base_url);
    settings_.add(command, "conda_installers", unused_.app.conda_installers);
    settings_.add(command, "conda_mirrors", unused_.app.conda_mirrors);
    settings_.add(command, "conda_pins", unused_.app.conda_pins);
    settings_.add(command, "condarc", unused_.app.condarc);
    settings_.add(command, "conda_install", unused_.app.conda_install);
    settings_.add(command, "nltk_index", unused_.app.nltk_index);
    settings_.add(command, "uv", unused_.app.uv);
    settings_.add(command, "quota", unused_.app.quota);
  }

  void report_fault() {
    try {
      settings_.check();
    } catch (const Error& error) {
      std::get<DoctorOptions>(chosen_).configuration_fault = error.message();
    }
  }

  CLI::App app_{"Builds OCI images of Dash apps, without a daemon.", "dash-build"};
  SettingOptions settings_;
  Command chosen_ = ParseEnd{};
  BuildOptions build_;
  PlanOptions plan_;
  LockOptions lock_;
  LayerOptions layer_;
  InspectOptions inspect_;
  ImagesOptions images_;
  RemoveOptions remove_;
  CollectOptions collect_;
  UsageOptions usage_;
  ValidateOptions validate_;
  DoctorOptions doctor_;
  ConfigOptions config_;
  CompletionOptions completion_;
  VersionOptions version_;
  BuildOptions unused_;  // `config` only asks for the values
};

}  // namespace

Command parse_command_line(int argc, const char* const* argv,
                           const std::map<std::string, std::string>& variables) {
  return CommandLine(variables).parse(argc, argv);
}

}  // namespace dash::cli
