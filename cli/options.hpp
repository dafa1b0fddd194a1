// The command line as values: one struct per subcommand. Only options.cpp knows the parser library.
#pragma once

#include "base/path.hpp"
#include "oci/compression.hpp"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace dash::cli {

enum class Progress { automatic, tty, plain, json, quiet };

// What every subcommand takes.
struct CommonOptions {
  fs::path home;  // the store; empty: the default place
};

// What `build` and `plan` share: the app and how it is to be built.
struct AppOptions {
  fs::path directory = ".";
  std::string name;  // -t; empty: the directory's name
  std::string base;
  bool workspace = false;
  bool offline = false;
  bool no_cache = false;
  std::vector<std::string> environment;      // "NAME=value"
  std::vector<std::string> python_runtimes;  // "VERSION=URL-or-FILE#sha256=HEX"
  fs::path uv;
  std::string compression = "zstd";
};

struct BuildOptions {
  CommonOptions common;
  AppOptions app;
  std::vector<std::string> outputs;  // "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]"
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
};

struct ValidateOptions {
  CommonOptions common;
};

struct DoctorOptions {
  CommonOptions common;
};

struct VersionOptions {};

// Help was asked for or the command line is wrong: text to print and the exit code.
struct ParseEnd {
  std::string text;
  int exit_code = 0;
};

using Command =
    std::variant<BuildOptions, PlanOptions, LayerOptions, InspectOptions, ImagesOptions, RemoveOptions,
                 CollectOptions, ValidateOptions, DoctorOptions, VersionOptions, ParseEnd>;

// Parses the arguments (without the program's name).
Command parse_command_line(int argc, const char* const* argv);

}  // namespace dash::cli
