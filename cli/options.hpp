// The command line as values: one struct per subcommand. Only the files *options.cpp and completion.cpp know
// the parser library.
#pragma once

#include "base/path.hpp"
#include "builder/python/resolve.hpp"
#include "cli/settings.hpp"

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace dash::cli {

enum class Progress { automatic, tty, plain, json, quiet };

// What every subcommand takes.
struct CommonOptions {
  fs::path home;       // the store; empty: the default place
  fs::path ca_bundle;  // trusted certificates; empty: found on this machine
};

// How registries are reached; shared by all subcommands that do.
struct RegistryOptions {
  std::string credentials;            // "USER:PASSWORD" for the registry, of `copy` for the source
  std::string credentials_registry;   // whose, where a command can name several
  std::string target_credentials;     // `copy` only: for the destination
  fs::path auth_file;                 // empty: the usual places
  fs::path certs_directory;           // besides the usual places
  std::vector<std::string> insecure;  // hosts
};

// What `build` and `plan` share: the app and how it is to be built.
struct AppOptions {
  fs::path directory = ".";
  std::string name;  // -t; empty: the directory's name
  std::string base;
  bool workspace = false;
  bool offline = false;
  bool airgapped = false;
  bool no_cache = false;
  bool compile_bytecode = true;
  unsigned package_layers = 0;  // 0: the default
  builder::IndexStrategy index_strategy = builder::IndexStrategy::first_index;
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> secrets;      // "id=ID,src=FILE", "id=ID,env=NAME"; `build` only
  std::string nltk_index;
  std::string conda_base_url;
  std::vector<std::string> conda_installers;  // "NAME=SHA256"
  std::vector<std::string> conda_mirrors;     // "FROM=TO"
  std::vector<std::string> conda_pins;
  fs::path condarc;
  std::string conda_install = "native";
  std::vector<std::string> python_runtimes;  // "VERSION=URL-or-FILE#sha256=HEX"
  fs::path uv;
  std::string compression = "zstd";
  RegistryOptions registry;
  bool explain = false;
  bool upgrade = false;
  std::vector<std::string> upgrade_packages;
  std::string locked;                   // a file, or an image as for `lock`; empty: none
  std::vector<std::string> push;        // "REGISTRY/REPOSITORY[:TAG]"; to `plan`, images to be replaced
  std::vector<std::string> cache_from;  // the same
  std::string quota;                    // of the store; "" and "0": none
};

struct BuildOptions {
  CommonOptions common;
  AppOptions app;
  std::vector<std::string> outputs;   // "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]", …
  std::vector<std::string> cache_to;  // "REGISTRY/REPOSITORY[:TAG]"
  fs::path metadata_file;
  Progress progress = Progress::automatic;
  unsigned threads = 0;  // 0: as many as there are processors
};

struct PlanOptions {
  CommonOptions common;
  AppOptions app;
  bool json = false;
};

struct LayerOptions {
  CommonOptions common;
  fs::path directory;
  std::string output;
  std::string base;
  std::string prefix;
  std::string compression = "zstd";
  unsigned threads = 0;
};

struct InspectOptions {
  CommonOptions common;
  std::string image;
  bool json = false;
};

enum class LockKind { python, conda };

struct LockOptions {
  CommonOptions common;
  RegistryOptions registry;
  // A name in the store, oci:…, oci-archive:… or docker://…; empty: that of the app in `directory`.
  std::string image;
  fs::path directory = ".";
  LockKind kind = LockKind::python;
  fs::path output;  // empty: standard output
};

struct ImagesOptions {
  CommonOptions common;
  bool json = false;
};

struct RemoveOptions {
  CommonOptions common;
  std::vector<std::string> names;
};

struct CollectOptions {
  CommonOptions common;
  std::string older_than = "30d";
  std::string keep_bytes;  // "20G"; empty: whatever is not old stays
};

struct UsageOptions {
  CommonOptions common;
  std::string quota;
  bool json = false;
};

struct ValidateOptions {
  CommonOptions common;
};

struct DoctorOptions {
  CommonOptions common;
  std::string base;
  fs::path uv;
  bool offline = false;
  // What is wrong with configuration files or environment, empty when nothing is: `doctor` reports it.
  std::string configuration_fault;
  bool json = false;
};

// `config`: the settings that hold, and where each comes from.
struct ConfigOptions {
  SettingValues values;
  enum class Form { text, json, table } form = Form::text;
};

struct CompletionOptions {
  std::string script;
};

struct PushOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string image;        // in the store, or oci:, oci-archive:
  std::string destination;  // empty: the image's own name
  Progress progress = Progress::automatic;
};

struct PullOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string image;
  std::string name;      // in the store; empty: the image's own
  std::string platform;  // "linux/arm64"; "all" for everything in an index; empty: this host's
  Progress progress = Progress::automatic;
};

struct CopyOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string from;
  std::string to;
  std::string platform = "all";
  Progress progress = Progress::automatic;
};

struct MirrorExportOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string bundle;                  // "-": standard output
  std::vector<std::string> from;       // lists (FILE.toml) and images
  std::string since;                   // a bundle or an inventory; empty: everything
  std::string split;                   // "4000M"; empty: one file
  std::vector<std::string> platforms;  // of images; empty: everything in an index
  bool referrers = false;
  bool json = false;
  Progress progress = Progress::automatic;
};

struct MirrorImportOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string bundle;  // "-": standard input
  std::string destination;
  std::vector<std::string> map;  // "FROM=TO"
  bool json = false;
  Progress progress = Progress::automatic;
};

struct MirrorInventoryOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string place;  // a bundle, or "REGISTRY[/PREFIX]"
};

struct MirrorVerifyOptions {
  CommonOptions common;
  std::string bundle;
  Progress progress = Progress::automatic;
  unsigned threads = 0;
};

struct TagsOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string repository;
  bool json = false;
};

struct ManifestOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string image;
};

struct DeleteOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string image;
};

struct MirrorSyncOptions {
  CommonOptions common;
  RegistryOptions registry;
  fs::path file;
  enum class Prune { as_file, yes, no } prune = Prune::as_file;
  bool dry_run = false;
  bool fail_fast = false;
  bool json = false;
  Progress progress = Progress::automatic;
};

struct MirrorPackagesOptions {
  CommonOptions common;
  RegistryOptions registry;
  AppOptions app;  // where packages come from
  fs::path output;
  std::vector<std::string> from;        // images and files
  std::vector<std::string> installers;  // of conda, by name
  std::string url = "http://localhost:8000";
  bool json = false;
  Progress progress = Progress::automatic;
};

struct LoginOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string host;
  std::string user;
};

struct LogoutOptions {
  CommonOptions common;
  RegistryOptions registry;
  std::string host;
};

struct VersionOptions {};

// Help was asked for or the command line is wrong: text to print and the exit code.
struct ParseEnd {
  std::string text;
  int exit_code = 0;
};

using Command =
    std::variant<BuildOptions, PlanOptions, LockOptions, LayerOptions, InspectOptions, ImagesOptions,
                 RemoveOptions, CollectOptions, UsageOptions, ValidateOptions, DoctorOptions, ConfigOptions,
                 CompletionOptions, PushOptions, PullOptions, CopyOptions, TagsOptions, ManifestOptions,
                 DeleteOptions, MirrorSyncOptions, MirrorPackagesOptions, MirrorExportOptions,
                 MirrorImportOptions, MirrorInventoryOptions, MirrorVerifyOptions, LoginOptions,
                 LogoutOptions, VersionOptions, ParseEnd>;

// Parses the arguments (without the program's name), over what configuration files and the environment
// `variables` say. Throws an Error for a wrong value of a setting.
Command parse_command_line(int argc, const char* const* argv,
                           const std::map<std::string, std::string>& variables);

}  // namespace dash::cli
