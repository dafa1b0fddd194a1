// Building wheels from source distributions, directories and repositories, in the sandbox with a toolchain
// that never enters the image.
#pragma once

#include "builder/app/ignore_rules.hpp"
#include "builder/interpreter.hpp"
#include "builder/python/hash_pins.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/uv_settings.hpp"
#include "builder/workbench.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// The tree that installing Debian packages over `layers` adds, in overlay form (install_toolchain).
using Toolchain =
    std::function<fs::path(const std::vector<oci::Layer>& layers, const std::vector<std::string>& packages)>;

// What is in the toolchain; with git where repositories are built.
std::vector<std::string> toolchain_packages();

struct BuildContext {
  std::string step;
  std::vector<oci::Layer> layers;
  Interpreter interpreter;
  fs::path app_directory;  // on the host; what the lock has below /app is here
  IgnoreRules ignore;      // the app's
  fs::path uv;             // on the host
  UvSettings settings;
  HashPins pins;
  std::vector<fs::path> repositories;  // on the host, seen under their own names
  Toolchain toolchain;
  // The newest versions of a package that have a wheel, newest first; asks the index. Empty: nothing to say.
  std::function<std::vector<std::string>(const std::string& name)> versions_with_wheel;
};

// What a wheel is built from. One of `archive`, `directory` and `vcs` is set.
struct WheelSource {
  std::string name;
  std::string version;           // empty where only the build can tell
  fs::path archive;              // a source distribution on the host
  Sha256 sha256{};               // of the archive
  std::string directory;         // a project of the app, relative to it ("." for the app itself)
  std::optional<LockedVcs> vcs;  // a repository
  std::string subdirectory;      // of the project in it
  std::string place;             // of the line that asks for it, "requirements.txt:3"; empty: none does
  enum class From { index, elsewhere } from = From::elsewhere;
};

// A wheel for the source: from store.packages()/built when source, interpreter, layers and toolchain are the
// same as before, else built. Sources are always at the same path and times and debug information are left
// out, so that the same source gives the same files wherever the project's own build allows it.
// Error as of build_failure and git_failure when it cannot be had or does not build.
fs::path build_wheel(const Workbench& bench, const BuildContext& context, const WheelSource& source);

}  // namespace dash::builder
